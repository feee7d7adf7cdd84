package compose

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// An answer is an error page as NGINX sent it.
type answer struct {
	status int
	body   string
}

// ask sends a request verbatim, for those that no client library would send.
func ask(t *testing.T, s *stack, request string) answer {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.lb, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request+"\r\nHost: lb\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(string(text), "\r\n\r\n")
	var status int
	if _, err := fmt.Sscanf(head, "HTTP/1.1 %d", &status); err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	for _, want := range []string{"Content-Type: text/html", "Cache-Control: no-store"} {
		if !strings.Contains(head, want) {
			t.Errorf("%s is answered without %s:\n%s", request, want, head)
		}
	}
	if strings.Contains(head, "Transfer-Encoding: chunked") {
		body = dechunk(t, body)
	}
	return answer{status, body}
}

func dechunk(t *testing.T, text string) string {
	t.Helper()
	var body strings.Builder
	for {
		size, rest, ok := strings.Cut(text, "\r\n")
		var n int
		if _, err := fmt.Sscanf(size, "%x", &n); err != nil || !ok || n > len(rest) {
			t.Fatalf("not chunked: %.40q", text)
		}
		if n == 0 {
			return body.String()
		}
		body.WriteString(rest[:n])
		text = strings.TrimPrefix(rest[n:], "\r\n")
	}
}

// errorPages brings real NGINX to say 504, 502, 503 and 501, in this order, and returns the pages.
func errorPages(t *testing.T) map[int]answer {
	t.Helper()
	// One request in a minute: once the burst is used up, every answer is a 503, for as long as the test takes.
	s := startStack(t, nil, "rate=10r/s", "rate=1r/m", "proxy_read_timeout    60s", "proxy_read_timeout 200ms")
	for _, n := range s.nodes {
		n.hangs.Store(true)
	}
	pages := map[int]answer{}
	said := func(want int, request string) answer {
		t.Helper()
		page := ask(t, s, request)
		if page.status != want {
			t.Fatalf("%s is answered %d, want %d", request, page.status, want)
		}
		log := read(t, filepath.Join(s.dir, "access.log"))
		id := regexp.MustCompile(`<dd id="request-id">([0-9a-f]{32})</dd>`).FindStringSubmatch(page.body)
		if id == nil {
			t.Fatalf("no request id in the page of %d:\n%s", want, page.body)
		}
		eventually(t, func() bool {
			log = read(t, filepath.Join(s.dir, "access.log"))
			return regexp.MustCompile(fmt.Sprintf(`" %d .* id=%s `, want, id[1])).MatchString(log)
		}, func() string { return "the access log knows no request " + id[1] + "\n" + log })
		return page
	}
	const get = "GET /v1/face/match HTTP/1.1"
	pages[504] = said(504, get)
	pages[502] = said(502, get) // one timeout each has disabled the nodes
	if page := said(502, "POST /v1/face/match HTTP/1.1\r\nContent-Length: 0"); strings.Contains(page.body,
		`class="again"`) {
		t.Error("the page for a POST offers to try again, with a GET")
	}
	for range 40 {
		if page := ask(t, s, get); page.status == 503 {
			break
		}
	}
	pages[503] = said(503, get)
	pages[501] = said(501, "POST /v1/face/match HTTP/1.1\r\nTransfer-Encoding: cuneiform")
	return pages
}

func TestErrorPages(t *testing.T) {
	t.Parallel()
	pages := errorPages(t)
	for status, want := range map[int][]string{
		501: {"Layanan sementara tidak tersedia", "The service is temporarily unavailable"},
		502: {"Layanan FREMIS&#8209;N belum dapat dijangkau", "The FREMIS&#8209;N service cannot be reached right now"},
		503: {"Terlalu banyak permintaan sekaligus", "Too many requests at once"},
		504: {"Jawaban terlalu lama ditunggu", "The answer took too long"},
	} {
		body := pages[status].body
		for _, want := range append(want, fmt.Sprintf(`<p class="code">%d</p>`, status), "Apa yang terjadi",
			"Yang dapat dicoba", "What happened", "What to try") {
			if !strings.Contains(body, want) {
				t.Errorf("the page of %d has no %s", status, want)
			}
		}
		if n := strings.Count(body, "<h1>"); n != 1 {
			t.Errorf("the page of %d has %d headings, want 1", status, n)
		}
		if !regexp.MustCompile(`<dd id="time">\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d</dd>`).MatchString(body) {
			t.Errorf("no time in the page of %d", status)
		}
		if status != 501 && !strings.Contains(body, `class="again"`) {
			t.Errorf("the page of %d does not offer to try again", status)
		}
		if found := regexp.MustCompile(`<!--#|an error occurred|\(none\)`).FindString(body); found != "" {
			t.Errorf("SSI left %q in the page of %d", found, status)
		}
	}
	for scheme, flag := range map[string]string{"light": "preferredColorScheme=1", "dark": "preferredColorScheme=0"} {
		t.Run(scheme, func(t *testing.T) { browse(t, pages, scheme, flag) })
	}
}

// A view is what a browser says of a page in a frame.
type view struct {
	Status, Width, Needs, Resources int
	Dark                            bool
	Headline                        string
	Button, English                 float64 // end of the button, 0 where there is none, and top of the second language
	Contrast                        map[string]float64
}

// look runs in the browser. Contrast is WCAG's, with what shows through the card taken as black or white, whichever is
// worse.
const look = `
const frames = [...document.querySelectorAll('iframe')];
const rgb = text => text.match(/[\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const ratio = (a, b) => (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
document.title = JSON.stringify(frames.map(frame => {
  const page = frame.contentDocument, style = e => frame.contentWindow.getComputedStyle(e), contrast = {};
  const card = rgb(style(page.querySelector('main')).backgroundColor), alpha = card[3] ?? 1;
  const cards = [0, 255].map(behind => light(card.slice(0, 3).map(v => v * alpha + behind * (1 - alpha))));
  for (const what of ['h1', 'h2', 'p:not(.code)', '.both li', 'dt', 'dd', '.path b', '[lang=en]'])
    contrast[what] = Math.min(...cards.map(c => ratio(c, light(rgb(style(page.querySelector('main ' + what)).color)))));
  return {status: +frame.dataset.status, width: frame.contentWindow.innerWidth, needs: page.documentElement.scrollWidth,
    resources: frame.contentWindow.performance.getEntriesByType('resource').length,
    dark: frame.contentWindow.matchMedia('(prefers-color-scheme: dark)').matches,
    headline: page.querySelector('h1').innerText, contrast: contrast,
    button: page.querySelector('.again')?.getBoundingClientRect().bottom ?? 0,
    english: page.querySelector('section[lang=en]').getBoundingClientRect().top};
}))`

// browse shows the pages in Chromium, on a phone and on a screen, in one colour scheme.
func browse(t *testing.T, pages map[int]answer, scheme, flag string) {
	t.Helper()
	var frames strings.Builder
	widths := []int{320, 390, 1280}
	for status := range pages {
		for _, width := range widths {
			fmt.Fprintf(&frames, `<iframe src="/%d" data-status="%d" width="%d" height="844" style="border: 0; `+
				`color-scheme: %s"></iframe>`, status, status, width, scheme)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		var status int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &status); err == nil {
			io.WriteString(w, pages[status].body)
			return
		}
		if r.URL.Path != "/" {
			t.Errorf("a page asked for %s", r.URL)
		}
		fmt.Fprintf(w, `<!DOCTYPE html><link rel="icon" href="data:,"><body>%s<script>onload = () => { %s }</script>`,
			frames.String(), look)
	}))
	defer server.Close()
	dom := run(t, nil, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
		"--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir="+
			t.TempDir(), "--hide-scrollbars", "--blink-settings="+flag, "--dump-dom", server.URL)
	title := regexp.MustCompile(`(?s)<title>(.*?)</title>`).FindStringSubmatch(dom)
	if title == nil {
		t.Fatalf("the browser says nothing:\n%s", dom)
	}
	var views []view
	if err := json.Unmarshal([]byte(html.UnescapeString(title[1])), &views); err != nil {
		t.Fatalf("%v\n%s", err, title[1])
	}
	if len(views) != len(pages)*len(widths) {
		t.Fatalf("%d views, want %d", len(views), len(pages)*len(widths))
	}
	for _, v := range views {
		if v.Needs > v.Width {
			t.Errorf("%d: %d wide, needs %d", v.Status, v.Width, v.Needs)
		}
		if v.Resources != 0 {
			t.Errorf("%d: the page loads %d further things", v.Status, v.Resources)
		}
		if v.Dark != (scheme == "dark") {
			t.Errorf("%d: dark is %v in the %s scheme", v.Status, v.Dark, scheme)
		}
		if v.Width < 576 && v.Button >= v.English {
			t.Errorf("%d: on a phone of %d the second language is at %g, before the button's end at %g", v.Status,
				v.Width, v.English, v.Button)
		}
		if v.Width == 390 && v.Button > 844 {
			t.Errorf("%d: on a phone of 390 × 844 the button ends at %g", v.Status, v.Button)
		}
		if v.Headline == "" {
			t.Errorf("%d: no heading is seen", v.Status)
		}
		for what, contrast := range v.Contrast {
			if contrast < 4.5 {
				t.Errorf("%d, %s: %s has a contrast of %.1f, want 4.5", v.Status, scheme, what, contrast)
			}
		}
	}
}

// A jsonError is what a program gets instead of a page.
type jsonError struct {
	Error     string
	Status    int
	RequestID string `json:"request_id"`
	Time      time.Time
}

// Programs get JSON with the status, people a page; a request that the limiter rejects gets Retry-After.
func TestErrorsAsJSON(t *testing.T) {
	t.Parallel()
	for _, limited := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		s := startStack(t, nil, "rate=10r/s", fmt.Sprintf("rate=1r/m; limit_req_status %d", limited), "burst=20",
			"burst=3", "proxy_read_timeout    60s", "proxy_read_timeout 200ms")
		for _, n := range s.nodes {
			n.hangs.Store(true)
		}
		program := map[string]string{"Accept": "application/json, text/plain, */*"}
		for range s.nodes { // a POST is not tried elsewhere: each disables one node
			s.wantJSON(t, program, jsonError{Error: "timeout", Status: 504})
		}
		s.wantJSON(t, program, jsonError{Error: "no_node_available", Status: 502})
		for _, program := range []map[string]string{program, {"Accept": "*/*", "Content-Type": "application/json"}} {
			s.wantJSON(t, program, jsonError{Error: "too_many_requests", Status: limited})
		}
		for _, person := range []map[string]string{{"Accept": "text/html,*/*;q=0.8"}, {"Accept": "*/*"},
			{"Accept": "text/html", "Content-Type": "application/json"}} {
			response, body := s.post(t, person)
			if response.StatusCode != limited || response.Header.Get("Content-Type") != "text/html" ||
				!strings.Contains(body, "Too many requests at once") || response.Header.Get("Retry-After") != "2" {
				t.Errorf("%v gets %d, %v\n%.200s", person, response.StatusCode, response.Header, body)
			}
			if regexp.MustCompile(`\d+ (a second|per detik)`).MatchString(body) {
				t.Error("the page of the limiter names a rate, which nginx.conf may have changed")
			}
		}
	}
}

// post sends a face as a client with these headers does.
func (s *stack) post(t *testing.T, headers map[string]string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, s.lb+"/v1/face/enrollment", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// wantJSON posts and compares the error, its headers, and its id with the access log.
func (s *stack) wantJSON(t *testing.T, headers map[string]string, want jsonError) {
	t.Helper()
	response, body := s.post(t, headers)
	var got jsonError
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v gets no JSON: %v\n%.200s", headers, err, body)
	}
	if got.Time.IsZero() || response.StatusCode != want.Status || got.Status != want.Status || got.Error != want.Error {
		t.Errorf("%v gets %d and %s, want %d and %s", headers, response.StatusCode, body, want.Status, want.Error)
	}
	retry := ""
	if want.Error == "too_many_requests" {
		retry = "2"
	}
	for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store",
		"Retry-After": retry} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q in the answer %s", name, got, want, body)
		}
	}
	eventually(t, func() bool {
		return regexp.MustCompile(fmt.Sprintf(`" %d .* id=%s `, want.Status, got.RequestID)).MatchString(
			read(t, filepath.Join(s.dir, "access.log")))
	}, func() string { return "the access log knows no request " + got.RequestID })
}

// What a page asks for elsewhere fails when the network does, which is when it is shown.
func TestErrorPagesAskForNothing(t *testing.T) {
	var styles []string
	for _, page := range []string{"502.html", "50x.html"} {
		text := read(t, "nginx/html/"+page)
		if found := regexp.MustCompile(`(?i)https?:|//[a-z]|\bsrc\s*=|url\(|@import|<script|href="[^d"]`).
			FindString(text); found != "" {
			t.Errorf("%s has %q", page, found)
		}
		for _, want := range []string{`name="viewport"`, "linear-gradient", "prefers-color-scheme: dark",
			"prefers-reduced-motion", `lang="id"`, `lang="en"`} {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %s", page, want)
			}
		}
		blocks := regexp.MustCompile(`(?s)<style>.*?</style>`).FindAllString(text, -1)
		styles = append(styles, blocks[len(blocks)-1])
	}
	// The first block holds a page's colours; the second is the look of both.
	if styles[0] != styles[1] {
		t.Error("502.html and 50x.html differ in more than their colours")
	}
}
