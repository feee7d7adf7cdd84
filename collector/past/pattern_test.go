package past

import "testing"

func TestPatternsOfPaths(t *testing.T) {
	for path, want := range map[string]string{
		"":                   "",
		"/":                  "/",
		"/faces":             "/faces",
		"/faces/123":         "/faces/{id}",
		"/faces/123/":        "/faces/{id}/",
		"/faces/123/image/9": "/faces/{id}/image/{id}",
		"/faces/123.jpg":     "/faces/{id}.jpg",
		"/v1/face/match":     "/v1/face/match", // a version is not an id
		"/a/deadbeef":        "/a/deadbeef",    // it may be a word
		"/a/deadbee1":        "/a/{id}",
		"/a/beef1":           "/a/beef1",
		"/a/DEADBEEF00":      "/a/{id}",
		"/a/deadbee1x":       "/a/deadbee1x",
		"/a/2026-11-26":      "/a/2026-11-26",
		"/a/-1":              "/a/-1",
		"/a/550e8400-e29b-41d4-a716-446655440000": "/a/{id}",
		"/a/550e8400-e29b-41d4-a716-44665544000":  "/a/550e8400-e29b-41d4-a716-44665544000",
		"http://h/1":                              "http://h/{id}",
		"/\xff/1":                                 "/\xff/{id}",
		"12":                                      "{id}",
		".":                                       ".",
		"/.1":                                     "/.1",
	} {
		got, replaced := appendPattern([]byte("GET "), []byte(path))
		if string(got) != "GET "+want || replaced != (path != want) {
			t.Errorf("%q: %q %v, want %q", path, got, replaced, want)
		}
	}
}

func FuzzPattern(f *testing.F) {
	for _, path := range []string{"/faces/123", "/a/550e8400-e29b-41d4-a716-446655440000.jpg", "//", "/{id}/1"} {
		f.Add([]byte(path))
	}
	f.Fuzz(func(t *testing.T, path []byte) {
		once, replaced := appendPattern(nil, path)
		twice, again := appendPattern(nil, once)
		if again || string(twice) != string(once) || replaced == (string(once) == string(path)) {
			t.Errorf("%q: %q %v, then %q %v", path, once, replaced, twice, again)
		}
	})
}
