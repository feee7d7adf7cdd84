package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrNone reports that the container does not exist.
var ErrNone = errors.New("no such container")

// DefaultRoot is where Docker keeps its containers.
const DefaultRoot = "/var/lib/docker"

// config is Docker's data about a container, in config.v2.json.
type config struct {
	ID      string
	Name    string // with a slash before it
	LogPath string // as on the host
	State   struct{ Running bool }
	Created time.Time
}

// LogOf returns the path of the json-file log of a container, given its name or the beginning of its id. Of several
// containers it chooses the running one, or the last that was created. root is Docker's folder as this process sees
// it.
func LogOf(root, container string) (string, error) {
	folders, err := os.ReadDir(filepath.Join(root, "containers"))
	if errors.Is(err, fs.ErrPermission) {
		return "", fmt.Errorf("%s cannot be read by this user (uid %d); run the exporter as root, or mount the "+
			"folder into its container read-only", filepath.Join(root, "containers"), os.Getuid())
	}
	if err != nil {
		return "", fmt.Errorf("containers of Docker cannot be examined: %w; name its folder as docker_root", err)
	}
	var best *config
	for _, folder := range folders {
		c := readConfig(filepath.Join(root, "containers", folder.Name()))
		if c != nil && c.is(container) && (best == nil || c.goesBefore(best)) {
			best = c
		}
	}
	if best == nil {
		return "", fmt.Errorf("%w: %s under %s", ErrNone, container, root)
	}
	if best.LogPath == "" {
		return "", fmt.Errorf("the container %s writes no json-file log; run it with --log-driver json-file", container)
	}
	return filepath.Join(root, "containers", best.ID, filepath.Base(best.LogPath)), nil
}

func readConfig(folder string) *config {
	text, err := os.ReadFile(filepath.Join(folder, "config.v2.json"))
	if err != nil {
		return nil // it is being created, or removed
	}
	c := &config{}
	if json.Unmarshal(text, c) != nil {
		return nil
	}
	c.ID = filepath.Base(folder)
	return c
}

// minID is the minimum length of an id.
const minID = 12

func (c *config) is(container string) bool {
	return strings.TrimPrefix(c.Name, "/") == strings.TrimPrefix(container, "/") ||
		len(container) >= minID && strings.HasPrefix(c.ID, container)
}

func (c *config) goesBefore(other *config) bool {
	if c.State.Running != other.State.Running {
		return c.State.Running
	}
	return c.Created.After(other.Created)
}
