package dashboards

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestGenerated regenerates the dashboards and compares them with the committed ones.
func TestGenerated(t *testing.T) {
	dir := t.TempDir()
	generate := exec.Command("go", "run", ".", "-out", dir)
	generate.Dir = "gen"
	if output, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	made, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != len(shipped(t)) {
		t.Errorf("%d dashboards are made, %d are committed", len(made), len(shipped(t)))
	}
	for _, file := range made {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Base(file))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what gen makes; run make dashboards", filepath.Base(file))
		}
	}
}

// TestGenerator runs the generator's own tests, which are in a module of their own.
func TestGenerator(t *testing.T) {
	test := exec.Command("go", "test", "-shuffle=on", ".")
	test.Dir = "gen"
	if output, err := test.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
}
