package probe

import (
	"net/http"
	"regexp"
	"strings"
)

// masked stands where a secret was.
const masked = "<secret>"

var (
	userinfo = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^/?#\s"'<>]*@`)
	// A target may leave out its scheme. Without a colon it could be a mail address, which is no secret.
	bareUserinfo = regexp.MustCompile(`(^|[\s"'=(\[,])[^/?#\s"'<>:@=(\[,]+:[^/?#\s"'<>@]*@`)
	secretParam  = regexp.MustCompile(`(?i)([?&;](?:[a-z]+[_-])?(?:token|api[_-]?key|password|passwd|secret|signature)=)([^&;#\s"'<>]+)`)
	secretHeader = regexp.MustCompile(`(?i)\b((?:proxy-)?authorization|cookie|set-cookie|x-[a-z-]*(?:key|token|secret|auth)[a-z-]*)(:\s*|=)[^\n]*`)
	// Protocols of lines take passwords as words after these.
	secretCommand = regexp.MustCompile(`(?im)^((?:\S+ +)?(?:PASS|PASSWORD|AUTH|LOGIN) +)([^\r\n]+)`)
)

// MaskURL hides user and password of every URL in a text, and the values of parameters whose names say that they are
// secrets.
func MaskURL(text string) string {
	if strings.Contains(text, "@") {
		text = userinfo.ReplaceAllString(text, "${1}"+masked+"@")
		text = bareUserinfo.ReplaceAllString(text, "${1}"+masked+"@")
	}
	if strings.Contains(text, "=") {
		text = secretParam.ReplaceAllString(text, "${1}"+masked)
	}
	return text
}

// Mask hides what MaskURL does, and the values of headers that carry secrets.
func Mask(text string) string {
	return secretHeader.ReplaceAllString(MaskURL(text), "$1$2"+masked)
}

// IsSecretHeader tells headers whose values are secrets.
func IsSecretHeader(name string) bool {
	name = http.CanonicalHeaderKey(name)
	return secretHeader.MatchString(name + ": x")
}
