package mask

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
)

// Body hides the values in the body of a request, except those of a few harmless names. It hides a body that is
// neither JSON nor a form completely.
func Body(text string) string {
	if strings.TrimSpace(text) == "" {
		return text
	}
	if value, ok := decodeJSON(text); ok {
		var shown bytes.Buffer
		encoder := json.NewEncoder(&shown)
		encoder.SetEscapeHTML(false)
		if encoder.Encode(maskJSON("", value)) == nil {
			return strings.TrimSpace(shown.String())
		}
	}
	if !isForm(text) {
		return Placeholder
	}
	pairs := strings.Split(text, "&")
	for i, pair := range pairs {
		pairs[i] = maskParameter(pair)
	}
	return strings.Join(pairs, "&")
}

// InBody returns the values of a request's body that must be hidden in a server's text.
func InBody(text string) []string {
	secrets := []string{text}
	if value, ok := decodeJSON(text); ok {
		return append(secrets, inJSON("", value)...)
	}
	if form, err := url.ParseQuery(text); err == nil && isForm(text) {
		for name, values := range form {
			for _, value := range values {
				secrets = append(secrets, InValue(name, value)...)
			}
		}
		return append(secrets, InURL("?"+text)...)
	}
	return append(secrets, strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })...)
}

func isForm(text string) bool {
	return strings.Contains(text, "=") && !strings.ContainsAny(text, " \n\r\t<>{}\"")
}

func decodeJSON(text string) (any, bool) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil || decoder.More() {
		return nil, false
	}
	return value, true
}

func maskJSON(name string, value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			value[key] = maskJSON(key, inner)
		}
		return value
	case []any:
		for i, inner := range value {
			value[i] = maskJSON(name, inner)
		}
		return value
	case nil, bool:
		return value
	}
	if isHarmlessParameter(name) {
		return value
	}
	return Placeholder
}

func inJSON(name string, value any) []string {
	var secrets []string
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			secrets = append(secrets, inJSON(key, inner)...)
		}
	case []any:
		for _, inner := range value {
			secrets = append(secrets, inJSON(name, inner)...)
		}
	case string:
		return InValue(name, value)
	case json.Number:
		return InValue(name, value.String())
	}
	return secrets
}

// HasSecret reports whether a name in a request's body says that its value is a secret.
func HasSecret(text string) bool {
	if value, ok := decodeJSON(text); ok {
		return namesSecret(value)
	}
	form, err := url.ParseQuery(text)
	if err != nil || !isForm(text) {
		return false
	}
	for name := range form {
		if secretName.MatchString(name) {
			return true
		}
	}
	return false
}

func namesSecret(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			if secretName.MatchString(name) || namesSecret(inner) {
				return true
			}
		}
	case []any:
		for _, inner := range value {
			if namesSecret(inner) {
				return true
			}
		}
	}
	return false
}
