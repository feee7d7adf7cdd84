package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const (
	module      = "github.com/fremisn/fremisn-exporter/"
	clientGo    = "github.com/prometheus/client_golang"
	anyInternal = "cmd/fremisn-exporter/internal"
)

// leaves import nothing of this program, and all of it may import them.
var leaves = []string{"cmd/fremisn-exporter/strictyaml", "probe/mask", "collector/logtest"}

type room struct {
	folder    string
	mayImport []string
	hasClient bool // it may import client_golang
}

// rooms are the packages of this program, each with those that it may import besides leaves and its own subfolders. The
// first that fits a package is its room.
var rooms = []room{
	{"cmd/fremisn-exporter/strictyaml", nil, false},
	{"probe/mask", nil, false},
	{"collector/logtest", nil, false},
	{"cmd/fremisn-exporter/internal/terminal", nil, false},
	{"cmd/fremisn-exporter/internal/verdict", nil, false},
	{"cmd/fremisn-exporter/internal/settings", []string{"collector", "probe"}, false},
	{"cmd/fremisn-exporter/internal/check",
		[]string{anyInternal + "/settings", anyInternal + "/terminal", "collector", "probe"}, false},
	{"cmd/fremisn-exporter/internal/web", []string{anyInternal + "/verdict"}, true},
	{"cmd", []string{"cmd", "collector", "probe"}, true},
	{"probe", nil, true},
	{"collector/nginxconf", nil, false},
	{"collector/internal/follow", []string{"collector/internal", "collector/source"}, false},
	{"collector/internal/accesslog", []string{"collector/internal", "collector/source"}, false},
	{"collector/internal/exposetest", []string{"collector/internal", "collector/source"}, false},
	{"collector/internal", []string{"collector/internal", "collector/nginxconf"}, false},
	{"collector/source", []string{"collector/internal", "collector/nginxconf"}, false},
	{"collector/past", []string{"collector/internal", "collector/nginxconf", "collector/source"}, false},
	{"collector", nil, true},
	{"dashboards", nil, false},
	{"alerts", nil, false},
	{"compose", nil, false},
}

// TestImportsGoOneWay holds every package to the imports of its room: probe and collector never import each other, what
// reads bytes does not know what shows them, and of the collector's packages only the outermost knows Prometheus'
// client.
func TestImportsGoOneWay(t *testing.T) {
	output, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Split(strings.TrimSpace(string(output)), "\n")
	if len(packages) < 20 {
		t.Fatalf("only %d packages found", len(packages))
	}
	for _, text := range packages {
		fields := strings.Fields(text)
		checkImports(t, strings.TrimPrefix(fields[0], module), fields[1:])
	}
}

func checkImports(t *testing.T, name string, imports []string) {
	t.Helper()
	i := slices.IndexFunc(rooms, func(r room) bool { return within(name, r.folder) })
	if i < 0 {
		t.Errorf("%s is in no room: name it in this test", name)
		return
	}
	for _, imported := range imports {
		if strings.HasPrefix(imported, clientGo) && !rooms[i].hasClient {
			t.Errorf("%s imports %s, which only the outer rooms know", name, imported)
		}
		own, isOurs := strings.CutPrefix(imported, module)
		allowed := append([]string{rooms[i].folder}, rooms[i].mayImport...)
		isLeaf := slices.Contains(leaves, rooms[i].folder)
		if !isOurs || slices.Contains(leaves, own) && !isLeaf {
			continue
		}
		if !slices.ContainsFunc(allowed, func(folder string) bool { return within(own, folder) }) {
			t.Errorf("%s imports %s: not this way", name, own)
		}
	}
}

// within reports whether a package is a room's, or in a folder of it.
func within(name, room string) bool { return name == room || strings.HasPrefix(name, room+"/") }
