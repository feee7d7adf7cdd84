package nginxconf

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// NGINX's own times, with what it refuses; each is put to real NGINX as a fail_timeout, which is in seconds, and as a
// proxy_read_timeout, which is in milliseconds.
func TestTimesAreThoseOfNGINX(t *testing.T) {
	const no = -1
	for text, want := range map[string]struct{ seconds, millis time.Duration }{
		"0":                    {0, 0},
		"10":                   {10 * time.Second, 10 * time.Second},
		"10s":                  {10 * time.Second, 10 * time.Second},
		"1m30":                 {90 * time.Second, 90 * time.Second},
		"1m30s":                {90 * time.Second, 90 * time.Second},
		"1m 30s":               {90 * time.Second, 90 * time.Second},
		"1h  30":               {time.Hour + 30*time.Second, time.Hour + 30*time.Second},
		"1d12h":                {36 * time.Hour, 36 * time.Hour},
		"1w":                   {7 * aDay, 7 * aDay},
		"1M":                   {30 * aDay, no},
		"1y":                   {365 * aDay, no},
		"1y1M1w1d":             {(365 + 30 + 7 + 1) * aDay, no},
		"500ms":                {no, 500 * time.Millisecond},
		"1s500ms":              {no, 1500 * time.Millisecond},
		"1s500ms 2":            {no, 3500 * time.Millisecond},
		"10s5":                 {15 * time.Second, 15 * time.Second},
		"10 5":                 {15 * time.Second, 15 * time.Second},
		"10 5m":                {no, no},
		"1hm":                  {time.Hour, time.Hour},
		"1s1s":                 {no, no},
		"1h1d":                 {no, no},
		"1ms1ms":               {no, no},
		"1ms1s":                {no, no},
		"h":                    {no, no},
		"soon":                 {no, no},
		"-1":                   {no, no},
		"+1":                   {no, no},
		"1.5s":                 {no, no},
		"1H":                   {no, no},
		"300y":                 {math.MaxInt64, no},
		"99999999999999999999": {no, no},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			check := func(kind string, got time.Duration, ok bool, want time.Duration) {
				if ok != (want != no) || ok && got != want {
					t.Errorf("%s: %s %t, want %s", kind, got, ok, want)
				}
			}
			got, ok := parseTime(text)
			check("in seconds", got, ok, want.seconds)
			got, ok = parseMillis(text)
			check("in milliseconds", got, ok, want.millis)
			for setting, takes := range map[string]bool{
				fmt.Sprintf("upstream a { server 127.0.0.1:1 \"fail_timeout=%s\"; }", text): want.seconds != no,
				fmt.Sprintf("proxy_read_timeout \"%s\";", text):                             want.millis != no,
			} {
				conf := filepath.Join(t.TempDir(), "nginx.conf")
				if err := os.WriteFile(conf, []byte("error_log stderr; events {} http { access_log off; "+setting+" }"),
					0o644); err != nil {
					t.Fatal(err)
				}
				if _, stderr, err := askNGINX(t, conf, "-t"); err == nil != takes {
					t.Errorf("NGINX on %s: %v %s", setting, err, stderr)
				}
				if _, err := Load(conf); err == nil != takes {
					t.Errorf("%s: %v", setting, err)
				}
			}
		})
	}
}
