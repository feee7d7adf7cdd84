package probe

import (
	"net/http"
	"regexp"
	"strings"
)

var (
	userinfo     = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)([^/?#\s"'<>]*)@`)
	secretHeader = regexp.MustCompile(`(?i)\b((?:proxy-)?authorization|cookie|set-cookie|x-[a-z-]*(?:key|token|secret|auth)[a-z-]*)(:\s*|=)[^\n]*`)
)

// MaskURL hides user and password of every URL in a text.
func MaskURL(text string) string {
	if !strings.Contains(text, "@") {
		return text
	}
	return userinfo.ReplaceAllString(text, "$1<secret>@")
}

// Mask hides userinfo and the values of headers that carry secrets.
func Mask(text string) string {
	return secretHeader.ReplaceAllString(MaskURL(text), "$1$2<secret>")
}

// IsSecretHeader tells headers whose values are secrets.
func IsSecretHeader(name string) bool {
	name = http.CanonicalHeaderKey(name)
	return secretHeader.MatchString(name + ": x")
}
