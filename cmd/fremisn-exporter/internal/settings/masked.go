package settings

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// Masked returns the running config file without its secrets, and without comments, which may contain some.
func (s *Settings) Masked() string {
	switch {
	case s.Source.ConfigFile != "":
	case s.Nginx == nil:
		text := "# No config file: only the status pages that the command line names are read.\n"
		for _, page := range s.Source.Status {
			text += "# " + mask.URL(page.URL) + "\n"
		}
		return text
	default:
		return fmt.Sprintf("# No config file: everything is found from %s.\n", s.Nginx.Path)
	}
	return maskText(s.Text)
}

// maskText returns a config file's text with its secrets replaced.
func maskText(text []byte) string {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return "" // a text that does not parse is not in use
	}
	mask.YAML(&document)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&document); err != nil {
		return fmt.Sprintf("# failed to show the config: %s\n", err)
	}
	return out.String()
}
