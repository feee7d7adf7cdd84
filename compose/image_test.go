package compose

import (
	"debug/elf"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestImageForEachMachine runs the Dockerfile's own build command on what Docker would send of the checkout, for each
// architecture and without Docker: TARGETOS and TARGETARCH are what buildx says, VERSION what --build-arg does.
func TestImageForEachMachine(t *testing.T) {
	t.Parallel()
	command, checkout := buildCommand(t), buildContext(t)
	path := filepath.Join(checkout, "fremisn-exporter")
	release := strings.TrimSpace(read(t, "../VERSION"))
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		env := map[string]string{"TARGETOS": "linux", "TARGETARCH": arch, "REVISION": "r", "VERSION": ""}
		if arch != runtime.GOARCH {
			env["VERSION"] = "9.9.9-for-another-machine"
		}
		run(t, env, "sh", "-c", "cd "+checkout+" && "+command)
		binary, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		binary.Close()
		if binary.Machine != machine {
			t.Errorf("for %s it makes a binary for %s", arch, binary.Machine)
		}
		if arch != runtime.GOARCH && !strings.Contains(read(t, path), env["VERSION"]) {
			t.Errorf("for %s the version is not stamped", arch)
		}
		// No .git is sent: the file VERSION says it.
		if arch == runtime.GOARCH && !strings.Contains(run(t, nil, path, "--version"), "version "+release+" ") {
			t.Errorf("without VERSION it is not %s", release)
		}
	}
}

// buildCommand is what the Dockerfile runs to make the binary, without what fills the image.
func buildCommand(t *testing.T) string {
	t.Helper()
	for _, instruction := range dockerfile(read(t, "Dockerfile")) {
		if command, ok := strings.CutPrefix(instruction, "RUN GOOS="); ok {
			build, _, _ := strings.Cut("GOOS="+command, " && ")
			return build
		}
	}
	t.Fatal("the Dockerfile runs no build for a GOOS")
	return ""
}

// buildContext copies what Dockerfile.dockerignore lets Docker see of the checkout.
func buildContext(t *testing.T) string {
	t.Helper()
	root, into := "..", t.TempDir()
	var ignored []string
	for line := range strings.Lines(read(t, "Dockerfile.dockerignore")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			ignored = append(ignored, line)
		}
	}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		name, err := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case isIgnored(ignored, name) && entry.IsDir():
			return fs.SkipDir
		case isIgnored(ignored, name) || !entry.Type().IsRegular() && !entry.IsDir():
			return nil
		case entry.IsDir():
			return os.Mkdir(filepath.Join(into, name), 0o755)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(into, name), text, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return into
}

// isIgnored reports whether a path below the root is one of .dockerignore's: of the root, or with **/ of any folder.
func isIgnored(ignored []string, path string) bool {
	for _, pattern := range ignored {
		name := path
		if anywhere, ok := strings.CutPrefix(pattern, "**/"); ok {
			pattern, name = anywhere, filepath.Base(path)
		}
		if match, err := filepath.Match(pattern, name); err == nil && match {
			return true
		}
	}
	return false
}
