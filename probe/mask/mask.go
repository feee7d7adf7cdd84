// Package mask hides secrets in what people see: pages, logs, metrics, errors.
//
// Nothing is known to be a secret by a bad name, since such lists are always too short: every value of a query, a
// header or a body is hidden but those of a short list of harmless names. [URL], [Text], [Body] and [YAML] find
// values by where they stand; [Secrets] finds them wherever a server repeats them. The package imports nothing of
// this program, so that all of it may use it.
package mask

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Placeholder replaces a secret.
const Placeholder = "<secret>"

// harmlessParameters are the names of a query, a form or a JSON body whose values are shown.
var harmlessParameters = []string{
	"format", "lang", "limit", "method", "module", "node", "offset", "page", "probe", "target",
}

// harmlessHeaders are the headers whose values are shown.
var harmlessHeaders = []string{
	"Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Connection", "Content-Type", "Host", "User-Agent",
}

// IsHarmlessHeader reports whether the values of a header may be shown and sent to anybody.
func IsHarmlessHeader(name string) bool {
	return slices.Contains(harmlessHeaders, http.CanonicalHeaderKey(name))
}

// IsSecretName reports whether the name of a header or a parameter says that its value is a secret.
func IsSecretName(name string) bool { return secretName.MatchString(name) }

func isHarmlessParameter(name string) bool {
	return slices.Contains(harmlessParameters, strings.ToLower(name))
}

var (
	userinfo = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^/?#\s"'<>]*@`)
	// A target may omit its scheme. Without a colon it could be a mail address, which is not secret.
	bareUserinfo = regexp.MustCompile(`(^|[\s"'=(\[,])[^/?#\s"'<>:@=(\[,]+:[^/?#\s"'<>@]*@`)
	// badURL matches what an error message quotes of a text that is no URL: its password may hold any character.
	badURL = regexp.MustCompile(`("(?:[a-zA-Z][a-zA-Z0-9+.-]*://)?)(?:[^"\\]|\\.)*@` +
		`((?:[^"@\\]|\\.)*"(?:: net/url:|: invalid |: first path | is not a URL))`)
	// net/url takes a password for a port, up to a slash or a hash sign, and quotes no more than that of the URL.
	badPort    = regexp.MustCompile(`(invalid port )"(?:[^"\\]|\\.)*"`)
	parsedPort = regexp.MustCompile(`(parse "[a-zA-Z][a-zA-Z0-9+.-]*://[^":@]*:)[^"@]*(": invalid port )"[^"]*"`)
	// query matches what follows the path of a URL.
	query     = regexp.MustCompile(`[?#][^\s"'<>]+`)
	parameter = regexp.MustCompile(`([?&;#])([^=&;#?]*)=([^&;#]*)`)
	// fragment matches that of a whole URL: browsers receive tokens in it.
	fragment = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s"'<>#]*#)[^\s"'<>]+`)
	// In a server's text, the names of secrets locate them: it is unknown where in the text its headers end.
	secretHeader = regexp.MustCompile(
		`(?i)\b((?:proxy-)?authorization|cookie|set-cookie|x-[a-z-]*(?:key|token|secret|auth)[a-z-]*)(:\s*|=)[^\n]*`)
	secretJSON = regexp.MustCompile(`(?i)("[\w.-]*(?:` + secretNames +
		`)[\w.-]*"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s,}\]"]+)`)
	secretName = regexp.MustCompile(`(?i)` + secretNames)
	// Line-based protocols send passwords as words after these.
	secretCommand = regexp.MustCompile(`(?im)^((?:\S+ +)?(?:PASS|PASSWORD|AUTH|LOGIN|OPER|IDENTIFY) +)([^\r\n]+)`)
)

const secretNames = `token|key|secret|auth|pass|pwd|session|cookie|credential|signature|jwt|csrf|assertion|private`

// URL hides user and password of every URL in a text, the values of its parameters, except a few harmless ones, and
// its fragment.
func URL(text string) string {
	text = maskBadURLs(text)
	if strings.Contains(text, "=") {
		text = query.ReplaceAllStringFunc(text, func(q string) string {
			return parameter.ReplaceAllStringFunc(q, maskParameter)
		})
	}
	if strings.Contains(text, "#") {
		text = fragment.ReplaceAllString(text, "${1}"+Placeholder)
	}
	if strings.Contains(text, "@") {
		text = userinfo.ReplaceAllString(text, "${1}"+Placeholder+"@")
		text = bareUserinfo.ReplaceAllString(text, "${1}"+Placeholder+"@")
	}
	return text
}

// maskBadURLs hides the passwords that an error message quotes of what is no URL.
func maskBadURLs(text string) string {
	if !strings.Contains(text, `"`) {
		return text
	}
	if strings.Contains(text, "@") {
		text = badURL.ReplaceAllString(text, "${1}"+Placeholder+"@${2}")
	}
	if strings.Contains(text, "invalid port") {
		text = parsedPort.ReplaceAllString(text, `${1}`+Placeholder+`${2}"`+Placeholder+`"`)
		if strings.Contains(text, Placeholder) {
			text = badPort.ReplaceAllString(text, `${1}"`+Placeholder+`"`)
		}
	}
	return text
}

// maskParameter hides a value, and a harmless one that contains a URL with secrets.
func maskParameter(pair string) string {
	name, value, _ := strings.Cut(pair, "=")
	if isHarmlessParameter(strings.TrimLeft(name, "?&;#")) {
		plain, err := url.QueryUnescape(value)
		if err == nil && (plain == value || URL(plain) == plain) {
			return pair
		}
	}
	if value == "" {
		return pair
	}
	return name + "=" + Placeholder
}

// Target hides what URL does in a target, and, in one without a scheme, a user without a password.
func Target(target string) string {
	if !strings.ContainsAny(target, "@?#") {
		return target
	}
	if at := strings.LastIndexByte(target, '@'); at >= 0 && !isURL(target) { // its password may hold any character
		scheme, _, found := strings.Cut(target[:at], "://")
		if found {
			return scheme + "://" + Placeholder + URL(target[at:])
		}
		return Placeholder + URL(target[at:])
	}
	authority := target
	if !strings.Contains(target, "://") {
		if at := strings.IndexAny(target, "/?#"); at >= 0 {
			authority = target[:at]
		}
		if at := strings.LastIndexByte(authority, '@'); at >= 0 {
			target = Placeholder + target[at:]
		}
	}
	return URL(target)
}

// isURL reports whether a target, which may omit its scheme, is a URL.
func isURL(target string) bool {
	if !strings.Contains(target, "://") {
		target = "//" + target
	}
	_, err := url.Parse(target)
	return err == nil
}

// Stars returns a text of the same length, with stars for what URL hides: an offset in it stays true.
func Stars(text string) string {
	starred := []byte(text)
	star := func(from, to int) {
		for i := from; i < to; i++ {
			starred[i] = '*'
		}
	}
	for _, q := range query.FindAllStringIndex(text, -1) {
		for _, p := range parameter.FindAllStringSubmatchIndex(text[q[0]:q[1]], -1) {
			if pair := text[q[0]+p[0] : q[0]+p[1]]; maskParameter(pair) != pair {
				star(q[0]+p[6], q[0]+p[7])
			}
		}
	}
	for _, pattern := range []*regexp.Regexp{userinfo, bareUserinfo} {
		for _, u := range pattern.FindAllStringSubmatchIndex(text, -1) {
			star(u[3], u[1]-len("@"))
		}
	}
	for _, f := range fragment.FindAllStringSubmatchIndex(text, -1) {
		star(f[3], f[1])
	}
	return string(starred)
}

// Text hides what URL does, and what the names of headers and of JSON keys show to be secret.
func Text(text string) string {
	text = URL(text)
	if strings.Contains(text, `"`) {
		text = secretJSON.ReplaceAllString(text, `${1}"`+Placeholder+`"`)
	}
	if !strings.ContainsAny(text, ":=") { // most reasons of failures
		return text
	}
	return secretHeader.ReplaceAllString(text, "$1$2"+Placeholder)
}

// Basic returns user and password as a server sees them, "" without a password.
func Basic(user, password string) string {
	if password == "" {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// InCommands returns the secrets in what a line-based protocol sends, such as those of "LOGIN user password".
func InCommands(text string) []string {
	var secrets []string
	for _, command := range secretCommand.FindAllStringSubmatch(text, -1) {
		words := strings.Fields(command[2])
		secrets = append(secrets, strings.TrimSpace(command[2]), words[len(words)-1])
	}
	return secrets
}

// InURL returns the secrets of a URL or a target, as written and as a server sees them.
func InURL(text string) []string {
	if !strings.ContainsAny(text, "=@") {
		return nil
	}
	var secrets []string
	for _, found := range parameter.FindAllStringSubmatch(text, -1) {
		secrets = append(secrets, InValue(found[2], found[3])...)
		if plain, err := url.QueryUnescape(found[3]); err == nil && plain != found[3] {
			secrets = append(secrets, InValue(found[2], plain)...)
		}
	}
	if !strings.Contains(text, "@") {
		return secrets
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	if u, err := url.Parse(text); err == nil && u.User != nil {
		password, _ := u.User.Password()
		secrets = append(secrets, password, Basic(u.User.Username(), password))
		if password == "" {
			secrets = append(secrets, u.User.Username())
		}
	}
	return secrets
}

// shortestValue is the minimum length of a value that is treated as a secret although its name does not say so.
// Shorter values, such as "https" or "prod", occur in any text.
const shortestValue = 8

// InValue returns the value of a header or a parameter if it must be hidden in a server's text, with the token of
// "Bearer token".
func InValue(name, value string) []string {
	if IsHarmlessHeader(name) || isHarmlessParameter(name) {
		return nil
	}
	_, word, _ := strings.Cut(value, " ")
	if IsSecretName(name) {
		return []string{value, word}
	}
	var secrets []string
	for _, text := range []string{value, word} {
		if len(text) >= shortestValue && !isAddress(text) {
			secrets = append(secrets, text)
		}
	}
	return secrets
}

// isAddress reports whether a value is an address or a URL without secrets, such as that of X-Forwarded-For.
func isAddress(value string) bool {
	u, err := url.Parse(value)
	if err == nil && u.Host != "" && u.User == nil && u.RawQuery == "" {
		return true
	}
	return !strings.ContainsFunc(value, func(r rune) bool { return !strings.ContainsRune("0123456789.:[], ", r) }) &&
		strings.ContainsAny(value, ".:")
}
