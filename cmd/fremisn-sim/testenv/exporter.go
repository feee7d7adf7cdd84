package testenv

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Exporter is the exporter's binary, as shipped.
type Exporter struct {
	*Process
	Address string
	URL     string
	Config  string // the path of its config
}

// BuildExporter builds the program into dir and returns its path. It may be called from any folder of the module.
func BuildExporter(dir string) (string, error) {
	binary := filepath.Join(dir, "fremisn-exporter")
	command := exec.Command("go", "build", "-buildvcs=false", "-o", binary,
		"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, output)
	}
	return binary, nil
}

// StartExporter runs the binary with a config's text, in dir, on address; "" chooses a free one. Its state is in
// dir/data, so that a second start in the same folder continues from the first.
func StartExporter(ctx context.Context, binary, dir, config, address string, args ...string) (*Exporter, error) {
	return startExporter(ctx, nil, binary, dir, config, address, args...)
}

// StartExporterAsNobody is for tests of permissions, which do not apply to root. A user other than root remains the
// same. The binary must be where others may run it.
func StartExporterAsNobody(ctx context.Context, binary, dir, config string) (*Exporter, error) {
	const nobody = 65534
	var user *syscall.Credential
	if os.Getuid() == 0 {
		user = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
			return nil, err
		}
		if err := os.Chown(filepath.Join(dir, "data"), nobody, nobody); err != nil {
			return nil, err
		}
	}
	return startExporter(ctx, user, binary, dir, config, "")
}

func startExporter(ctx context.Context, user *syscall.Credential, binary, dir, config, address string,
	args ...string) (*Exporter, error) {
	var err error
	if address == "" {
		if address, err = FreeAddress("127.0.0.1"); err != nil {
			return nil, err
		}
	}
	e := &Exporter{Address: address, URL: "http://" + address, Config: filepath.Join(dir, "probes.yml")}
	if err := os.WriteFile(e.Config, []byte(config), 0o644); err != nil {
		return nil, err
	}
	args = append([]string{"--config", e.Config, "--storage.path", filepath.Join(dir, "data"), "--web.listen-address",
		address}, args...)
	if e.Process, err = startAs(user, "fremisn-exporter", binary, args...); err != nil {
		return nil, err
	}
	return e, e.answers(ctx, address)
}

// Metrics returns the text of /metrics.
func (e *Exporter) Metrics() (string, error) {
	response, err := http.Get(e.URL + "/metrics")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("/metrics answered %s", response.Status)
	}
	return string(body), err
}
