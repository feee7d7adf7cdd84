package check

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v3"
)

// ValidateWeb checks --web.config.file. To read a pipe or a device might never end.
func ValidateWeb(file string) error {
	if !isRegular(file) {
		return errors.New("this is not a regular file")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var config struct {
		TLS map[string]any `yaml:"tls_server_config"`
	}
	if yaml.Unmarshal(text, &config) == nil { // what is wrong with it, the toolkit says
		for _, key := range []string{"cert_file", "key_file", "client_ca_file"} {
			name, _ := config.TLS[key].(string)
			if name != "" && !filepath.IsAbs(name) {
				name = filepath.Join(filepath.Dir(file), name)
			}
			if name != "" && !isRegular(name) {
				return fmt.Errorf("tls_server_config.%s: %s is not a regular file", key, name)
			}
		}
	}
	return toolkit.Validate(file)
}

// isRegular reports whether a file can be read to its end, if there is one.
func isRegular(file string) bool {
	info, err := os.Stat(file)
	return err != nil || info.Mode().IsRegular()
}
