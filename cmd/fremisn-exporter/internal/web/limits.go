package web

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// maxConnections limits the open connections. Beyond it, the one that has been silent for the longest is closed.
	maxConnections = 4096
	// maxPages limits the pages that are rendered and sent at one time.
	maxPages = 8
	// maxProbePages limits /probes further: with ten thousand targets it takes some memory.
	maxProbePages = 4
	// maxProbes limits the concurrent probes of /probe: more than one Prometheus causes if all its targets hang.
	maxProbes = 900
	// readLimit is how long a client may take for a request, and how long it may be silent between two.
	readLimit = 10 * time.Second
	idleLimit = 2 * time.Minute
)

// limited makes a handler answer in bounded time and memory: a client that does not read is disconnected after a
// while, and an unwanted body is not read.
func limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close")
		}
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(AnswerLimit + writeLimit)) // where it can be set
		next.ServeHTTP(w, r)
	})
}

// fewAtOnce returns a wrapper for handlers that together serve n requests at one time, and reject more.
func fewAtOnce(n int) func(http.HandlerFunc) http.Handler {
	slots := make(chan struct{}, n)
	return func(next http.HandlerFunc) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
				next(w, r)
			default:
				refuse(w, errBusy)
			}
		})
	}
}

// fairProbes serves /probe. Beyond max requests, it cancels the oldest request of the client that has the most in
// favour of a new one: no client can keep the others out.
type fairProbes struct {
	next http.Handler
	max  int

	mu       sync.Mutex
	total    int
	byClient map[string]*list.List // of *probeRequest, the oldest first
}

// A probeRequest is a request in progress.
type probeRequest struct {
	cancel  context.CancelFunc
	givenUp bool // guarded by fairProbes.mu
}

func newFairProbes(max int, next http.Handler) *fairProbes {
	return &fairProbes{next: next, max: max, byClient: map[string]*list.List{}}
}

// ServeHTTP implements http.Handler.
func (f *fairProbes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w) // a probe may take longer than other answers
	control.SetReadDeadline(time.Time{})
	control.SetWriteDeadline(time.Time{})
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	client, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		client = r.RemoteAddr
	}
	request := &probeRequest{cancel: cancel}
	done := f.add(client, request)
	defer done()
	f.next.ServeHTTP(&probeWriter{ResponseWriter: w, control: control, givenUp: func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return request.givenUp
	}}, r.WithContext(ctx))
}

// add makes room for a request if there is none. done removes it.
func (f *fairProbes) add(client string, request *probeRequest) (done func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.total >= f.max {
		f.giveUpOldest()
	}
	if f.byClient[client] == nil {
		f.byClient[client] = list.New()
	}
	element := f.byClient[client].PushBack(request)
	f.total++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.remove(client, element)
	}
}

// remove removes a request, unless it has been cancelled before. f.mu is held.
func (f *fairProbes) remove(client string, element *list.Element) {
	requests := f.byClient[client]
	if requests == nil || element.Value.(*probeRequest).givenUp {
		return
	}
	requests.Remove(element)
	f.total--
	if requests.Len() == 0 {
		delete(f.byClient, client)
	}
}

// giveUpOldest cancels the oldest request of the client that has the most. f.mu is held.
func (f *fairProbes) giveUpOldest() {
	busiest := ""
	for client, requests := range f.byClient {
		if busiest == "" || requests.Len() > f.byClient[busiest].Len() {
			busiest = client
		}
	}
	oldest := f.byClient[busiest].Front()
	f.remove(busiest, oldest)
	request := oldest.Value.(*probeRequest)
	request.givenUp = true
	request.cancel()
}

// A probeWriter answers 503 instead of the result of a cancelled probe: its target has not failed.
type probeWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	givenUp func() bool
	begun   bool
	refused bool
}

// Unwrap is for http.ResponseController.
func (w *probeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *probeWriter) WriteHeader(status int) {
	if w.begun {
		return
	}
	w.begun = true
	w.control.SetWriteDeadline(time.Now().Add(writeLimit)) // where it can be set
	if w.givenUp() {
		w.refused = true
		for _, name := range []string{"Content-Encoding", "Content-Length"} {
			w.Header().Del(name)
		}
		refuse(w.ResponseWriter, errBusy)
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *probeWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.refused {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}
