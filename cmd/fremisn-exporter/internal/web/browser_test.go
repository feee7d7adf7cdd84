package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/verdict"
)

// measure has a page say how wide it is, and the minimum contrast of its texts against their background.
const measure = `<script>
const channel = c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const parts = c => c.match(/[\d.]+/g).map(Number);
const light = c => {
  const [r, g, b] = parts(c).map(value => channel(value / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = e => {
  for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor, p = parts(c);
    if (p.length < 4 || p[3] > 0) return c;
  }
  return "rgb(255,255,255)";
};
let least = 21, where = "";
for (const e of document.body.querySelectorAll("*")) {
  if (["SCRIPT", "STYLE"].includes(e.tagName)) continue;
  if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
  const a = light(getComputedStyle(e).color), b = light(ground(e));
  const c = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (c < least) { least = c; where = e.tagName + " " + e.textContent.trim().slice(0, 20); }
}
document.title = ["measured", document.documentElement.scrollWidth, least.toFixed(2),
  where.replace(/[^a-zA-Z0-9 ]/g, "")].join(" ");
</script></body>`

// scenes are the pages of every verdict, and the incidents.
func scenes(t *testing.T) map[string]string {
	t.Helper()
	now := time.Now()
	pages := map[string]string{}
	for _, v := range []string{verdict.Fine, verdict.Degraded, verdict.Down, verdict.Unknown} {
		overview := grayNode(now)
		overview.Status.Verdict = v
		switch v {
		case verdict.Fine:
			overview.Status.Reasons, overview.Status.Failures = nil, nil
		case verdict.Unknown:
			overview = Overview{Status: verdict.New().Judge(verdict.Input{Now: now})}
		case verdict.Down:
			for i := range overview.Status.Nodes {
				overview.Status.Nodes[i].State = verdict.StateTakenOut
			}
			overview.Status.Reasons[0].Severity = verdict.Critical
		}
		pages[v] = pageText(t, statusSite(t, overview, nil)+"/")
	}
	pages["incidents"] = pageText(t, statusSite(t, grayNode(now), incidentsOf(now))+"/incidents")
	return pages
}

// TestPagesInABrowser lays every page out in Chromium, on a phone and a desktop, light and dark: nothing is wider than
// the screen, and every text can be read (WCAG wants a contrast of 4.5 to 1).
func TestPagesInABrowser(t *testing.T) {
	widths := []int{360, 390, 1280}
	pages := scenes(t)
	for theme, scheme := range map[string]string{"light": "1", "dark": "0"} {
		for name, page := range pages {
			for i, m := range laidOut(t, page, scheme, widths) {
				if m.width > widths[i] || m.contrast < 4.5 {
					t.Errorf("%s, %s, on a screen of %d: %d pixels wide, a contrast of %g to 1 at %q",
						name, theme, widths[i], m.width, m.contrast, m.where)
				}
			}
		}
	}
}

// A measured is what a page says of itself.
type measured struct {
	width    int
	contrast float64
	where    string // of the least contrast
}

// laidOut shows a page in frames of these widths: a window of Chromium is at least 500 pixels wide, a frame is as
// narrow as requested. The pages allow no script, so a copy of the page measures itself.
func laidOut(t *testing.T, page, scheme string, widths []int) (all []measured) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, strings.Replace(page, "</body>", measure, 1))
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		for i, width := range widths {
			fmt.Fprintf(w, `<p id="p%d"></p>`, i)
			fmt.Fprintf(w, `<iframe src="page" width=%d height=2000 `, width)
			fmt.Fprintf(w, `onload="p%d.innerText = this.contentDocument.title"></iframe>`, i)
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu",
		"--disable-dev-shm-usage", "--blink-settings=preferredColorScheme="+scheme, "--user-data-dir="+t.TempDir(),
		"--window-size=1600,2200", "--dump-dom", server.URL+"/")
	document, err := command.Output()
	if err != nil {
		t.Fatalf("%s; Debian's package chromium has it", err)
	}
	for _, m := range regexp.MustCompile(`<p id="p\d">measured (\d+) ([\d.]+) ?([^<]*)</p>`).FindAllSubmatch(document,
		-1) {
		width, err := strconv.Atoi(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		contrast, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, measured{width, contrast, string(m[3])})
	}
	if len(all) != len(widths) {
		t.Fatalf("the page did not measure itself:\n%.2000s", document)
	}
	return all
}
