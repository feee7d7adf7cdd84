package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/check"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
)

const (
	userStorage   = "data/"                            // below the current folder
	systemStorage = "/var/lib/fremisn-exporter"        // the package's, and root's
	packageConfig = "/etc/fremisn-exporter/probes.yml" // that of the service
	stateFiles    = "*.state"                          // one for each log
)

// completeStorage chooses the storage path where no flag does. A service has a folder from systemd. Root, who may start
// the program from anywhere, has one for each config, so that the next start finds it wherever that is made.
func (cli *commandLine) completeStorage(euid int) {
	given, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":")
	switch {
	case cli.isGiven("storage.path"):
	case given != "":
		cli.storagePath = given
	case euid == 0:
		cli.storagePath = rootStorage(cli.source)
	}
}

// rootStorage returns root's storage path for a config: the service's where it is the service's config, or none.
func rootStorage(source settings.Source) string {
	config := source.ConfigFile
	if config == "" {
		config = source.NginxConf
	}
	if absolute, err := filepath.Abs(config); err == nil {
		config = absolute
	}
	if config == packageConfig || config == settings.DefaultNginxConf {
		return systemStorage
	}
	return filepath.Join(systemStorage, fmt.Sprintf("%s-%.4x", filepath.Base(config), sha256.Sum256([]byte(config))))
}

// olderState returns the absolute path of the folder in which a start from the current folder has kept its state, where
// this one would leave it behind; "" where it would not.
func (cli *commandLine) olderState() string {
	if cli.storagePath == "" || !holdsState(userStorage) || cli.isGiven("storage.path") && holdsState(cli.storagePath) {
		return ""
	}
	older, err := os.Stat(userStorage)
	if err != nil {
		return ""
	}
	if chosen, err := os.Stat(cli.storagePath); err == nil && os.SameFile(older, chosen) {
		return ""
	}
	absolute, err := filepath.Abs(userStorage)
	if err != nil {
		return ""
	}
	return absolute
}

// statesOfOthers returns root's folders with the state of other configs, where the folder of this config is root's too
// and holds none: this config may have had another name or place, by which its folder was chosen.
func (cli *commandLine) statesOfOthers() []string {
	if cli.isGiven("storage.path") || cli.storagePath != rootStorage(cli.source) || holdsState(cli.storagePath) {
		return nil
	}
	folders, err := filepath.Glob(filepath.Join(systemStorage, "*/"))
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(append(folders, systemStorage), func(folder string) bool { return !holdsState(folder) })
}

// logStatesOfOthers names the first folders of other configs.
func (cli *commandLine) logStatesOfOthers(logger log.Logger, folders []string) {
	const shown = 5
	if len(folders) > 0 {
		level.Warn(logger).Log("msg", "this config has no state yet, and others have: if it had another name or "+
			"place, its positions and counters are with that",
			"others", strings.Join(folders[:min(len(folders), shown)], " "), "path", cli.storagePath,
			"remedy", "stop, move the files of its folder to the new one, or give that folder with --storage.path")
	}
}

// holdsState reports whether a folder holds the record of any log.
func holdsState(folder string) bool {
	records, err := filepath.Glob(filepath.Join(folder, stateFiles))
	return err == nil && len(records) > 0
}

// logOlderState says what this start does not go on with.
func (cli *commandLine) logOlderState(logger log.Logger) {
	if older := cli.olderState(); older != "" {
		level.Warn(logger).Log("msg", "the state of earlier starts is left behind: positions and counters are kept "+
			"elsewhere now", "old", older, "path", cli.storagePath,
			"remedy", check.OlderStateRemedy(older, cli.storagePath))
	}
}
