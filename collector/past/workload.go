package past

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"github.com/fremisn/fremisn-exporter/collector/past/internal/model"
)

// A sample is one request of a log, as whatif needs it.
type sample struct {
	end      int64 // Unix milliseconds
	millis   int32 // of the request
	code     int16
	outcome  string
	post     bool // not sent twice: POST, PATCH and LOCK
	delayed  bool // by the limit
	limited  bool // the limit applied to it
	upstream bool // it went to the group, or would have
	sub      bool // a subrequest: it takes a slot, but no client sent it
	alike    uint32
	client   uint32 // the limit's key
	worker   uint32 // its process
	from, to int32  // of the attempts
}

// An attempt as observed.
type observed struct {
	at     int64 // when it began, Unix milliseconds
	millis int32
	server int16 // of the group, -1 for another
	model.Attempt
}

// failed reports whether the server gave no answer that a client could use.
func (o *observed) failed() bool {
	return o.Failure == model.ConnectError || o.Failure == model.TimedOut || o.Code >= 500
}

// A workload is the requests of a log in the order of their arrival.
type workload struct {
	samples  []sample
	attempts []observed
	arrivals []int64  // of samples
	names    []string // of the group's servers
	byServer [][]observed
	pool     map[uint32][]int32 // served samples, by their common properties
	served   []int32            // all of them
}

// prepare sorts the samples and finds what each server did when.
func (w *workload) prepare() {
	slices.SortStableFunc(w.samples, func(a, b sample) int {
		return cmp.Or(cmp.Compare(a.end-int64(a.millis), b.end-int64(b.millis)), cmp.Compare(a.end, b.end),
			cmp.Compare(a.alike, b.alike), cmp.Compare(a.code, b.code))
	})
	w.byServer, w.pool = make([][]observed, len(w.names)), map[uint32][]int32{}
	for i := range w.samples {
		s := &w.samples[i]
		w.arrivals = append(w.arrivals, s.end-int64(s.millis))
		at := w.arrivals[i] + w.overhead(s)
		if !s.post {
			at = w.arrivals[i]
		}
		for j := s.from; j < s.to; j++ {
			o := &w.attempts[j]
			o.at = at
			at += int64(o.millis)
			if o.server >= 0 {
				w.byServer[o.server] = append(w.byServer[o.server], *o)
			}
		}
		if o := w.answer(s); s.upstream && o != nil {
			w.pool[s.alike] = append(w.pool[s.alike], int32(i))
			w.served = append(w.served, int32(i))
		}
	}
	for _, list := range w.byServer {
		slices.SortStableFunc(list, func(a, b observed) int { return cmp.Compare(a.at, b.at) })
	}
}

// answer returns the attempt that served a request, or nil.
func (w *workload) answer(s *sample) *observed {
	for j := s.to - 1; j >= s.from; j-- {
		if o := &w.attempts[j]; !o.failed() {
			return o
		}
	}
	return nil
}

// overhead returns what a request takes besides its attempts and a limit's delay: usually the client's sending.
func (w *workload) overhead(s *sample) int64 {
	rest := int64(s.millis)
	for j := s.from; j < s.to; j++ {
		rest -= int64(w.attempts[j].millis)
	}
	if s.delayed {
		return 0
	}
	return max(0, rest)
}

// stand returns a served request to model one without an answer: one with the same route and method if there are any.
// It is always the same for one request.
func (w *workload) stand(i int) *sample {
	pool := w.pool[w.samples[i].alike]
	if len(pool) == 0 {
		pool = w.served
	}
	if len(pool) == 0 {
		return nil
	}
	return &w.samples[pool[hash(uint64(i))%uint64(len(pool))]]
}

func hash(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// down returns the failed attempt that shows that a server did not answer at a time, or nil: the attempts on it before
// and after failed.
func (w *workload) down(server int, at int64) *observed {
	if server < 0 {
		return nil
	}
	list := w.byServer[server]
	i := sort.Search(len(list), func(i int) bool { return list[i].at >= at })
	if i == 0 || i == len(list) || !list[i-1].failed() || !list[i].failed() {
		return nil
	}
	return &list[i-1]
}

// requests returns the arrivals in the model's form.
func (w *workload) requests(s *settings) []model.Request {
	shares := workerShares(s.group.Workers, s.skew)
	workers := map[uint32]int{}
	list := make([]model.Request, len(w.samples))
	for i := range w.samples {
		sample := &w.samples[i]
		r := model.Request{
			At: w.scaled(w.arrivals[i], s.load), Key: sample.client, NonIdempotent: sample.post, Code: int(sample.code),
			Limited: sample.limited || s.limited && sample.upstream, Upstream: sample.upstream,
		}
		before := w.overhead(sample)
		if sample.upstream && sample.from == sample.to {
			if stand := w.stand(i); stand != nil && sample.outcome == "limited" {
				before = w.overhead(stand)
			}
		}
		if sample.post {
			r.Before = before
		} else {
			r.After = before
		}
		if s.logged {
			if _, ok := workers[sample.worker]; !ok {
				workers[sample.worker] = len(workers)
			}
			r.Worker = workers[sample.worker]
		} else {
			r.Worker = pickShare(shares, float64(hash(uint64(i)+1)>>11)/(1<<53))
		}
		list[i] = r
	}
	return list
}

// scaled returns a time under another load: the same requests in less time, or more.
func (w *workload) scaled(at int64, load float64) int64 {
	first := w.arrivals[0]
	return first + int64(float64(at-first)/load)
}

// answerer returns the results of the log's requests on the group's servers.
func (w *workload) answerer(s *settings) model.Answerer {
	logged := make([]int, len(s.group.Servers)) // the number of each in the log
	for i := range s.group.Servers {
		logged[i] = slices.Index(w.names, s.group.Servers[i].Name)
	}
	return func(i, server, _ int, now int64) model.Attempt {
		return w.attempt(i, logged[server], w.arrivals[0]+int64(float64(now-w.arrivals[0])*s.load))
	}
}

// attempt returns the result of request i on a server at a time of the log; -1 is a server that the log does not have.
func (w *workload) attempt(i, server int, at int64) model.Attempt {
	s := &w.samples[i]
	for j := s.from; j < s.to; j++ {
		if server >= 0 && int(w.attempts[j].server) == server {
			return w.attempts[j].Attempt
		}
	}
	if bad := w.down(server, at); bad != nil {
		return bad.Attempt
	}
	if o := w.answer(s); o != nil {
		return o.Attempt
	}
	// All of its attempts failed. If their servers answered others at the time, the request itself is to blame.
	for j := s.from; j < s.to; j++ {
		if o := &w.attempts[j]; o.server >= 0 && w.down(int(o.server), o.at) == nil && w.down(int(o.server),
			o.at+1) == nil {
			return o.Attempt
		}
	}
	if stand := w.stand(i); stand != nil {
		return w.answer(stand).Attempt
	}
	return model.Attempt{Code: 200}
}

// workerShares returns the shares of connections of the workers: each so much of the previous one.
func workerShares(n int, skew float64) []float64 {
	shares := make([]float64, max(1, n))
	total := 0.0
	for i := range shares {
		shares[i] = math.Pow(skew, float64(i))
		total += shares[i]
	}
	for i := range shares {
		shares[i] /= total
	}
	return shares
}

func pickShare(shares []float64, at float64) int {
	for i, share := range shares {
		if at -= share; at < 0 {
			return i
		}
	}
	return 0
}
