// Package mask hides secrets in what people see: pages, logs, metrics, errors.
//
// [URL] and [Text] know secrets by where they stand, [YAML] and [ConfigError] by their keys, and [Secrets] by their
// values, wherever a server repeats them. The package imports nothing of this program, so that all of it may use it.
package mask

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Placeholder stands where a secret was.
const Placeholder = "<secret>"

var (
	userinfo = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^/?#\s"'<>]*@`)
	// A target may leave out its scheme. Without a colon it could be a mail address, which is no secret.
	bareUserinfo = regexp.MustCompile(`(^|[\s"'=(\[,])[^/?#\s"'<>:@=(\[,]+:[^/?#\s"'<>@]*@`)
	secretParam  = regexp.MustCompile(
		`(?i)([?&;](?:[a-z]+[_-])?(?:token|api[_-]?key|password|passwd|secret|signature)=)([^&;#\s"'<>]+)`)
	secretHeader = regexp.MustCompile(
		`(?i)\b((?:proxy-)?authorization|cookie|set-cookie|x-[a-z-]*(?:key|token|secret|auth)[a-z-]*)(:\s*|=)[^\n]*`)
	// Protocols of lines take passwords as words after these.
	secretCommand = regexp.MustCompile(`(?im)^((?:\S+ +)?(?:PASS|PASSWORD|AUTH|LOGIN) +)([^\r\n]+)`)
)

// URL hides user and password of every URL in a text, and the values of parameters whose names say that they are
// secrets.
func URL(text string) string {
	if strings.Contains(text, "@") {
		text = userinfo.ReplaceAllString(text, "${1}"+Placeholder+"@")
		text = bareUserinfo.ReplaceAllString(text, "${1}"+Placeholder+"@")
	}
	if strings.Contains(text, "=") {
		text = secretParam.ReplaceAllString(text, "${1}"+Placeholder)
	}
	return text
}

// Text hides what URL does, and the values of headers that carry secrets.
func Text(text string) string {
	return secretHeader.ReplaceAllString(URL(text), "$1$2"+Placeholder)
}

// IsSecretHeader reports whether the values of a header are secrets.
func IsSecretHeader(name string) bool {
	name = http.CanonicalHeaderKey(name)
	return secretHeader.MatchString(name + ": x")
}

// Basic returns user and password as a server sees them, "" without a password.
func Basic(user, password string) string {
	if password == "" {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// Password returns the password in a URL, "" where there is none.
func Password(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return ""
	}
	password, _ := u.User.Password()
	return password
}

// InCommands returns the secrets in what a protocol of lines sends, such as those of "LOGIN user password".
func InCommands(text string) []string {
	var secrets []string
	for _, command := range secretCommand.FindAllStringSubmatch(text, -1) {
		words := strings.Fields(command[2])
		secrets = append(secrets, strings.TrimSpace(command[2]), words[len(words)-1])
	}
	return secrets
}

// inTarget returns the secrets of a target as they stand in it and as a server sees them.
func inTarget(target string) []string {
	var secrets []string
	for _, parameter := range secretParam.FindAllStringSubmatch(target, -1) {
		secrets = append(secrets, parameter[2])
		if plain, err := url.QueryUnescape(parameter[2]); err == nil {
			secrets = append(secrets, plain)
		}
	}
	if !strings.Contains(target, "@") {
		return secrets
	}
	if !strings.Contains(target, "://") {
		target = "http://" + target
	}
	if u, err := url.Parse(target); err == nil && u.User != nil {
		password, _ := u.User.Password()
		secrets = append(secrets, password, Basic(u.User.Username(), password))
	}
	return secrets
}
