package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

// TestManPage: man has a head of one line, and whatis finds the description.
func TestManPage(t *testing.T) {
	var page bytes.Buffer
	if code := run(context.Background(), []string{"--help-man"}, &page, io.Discard); code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	head, rest, _ := strings.Cut(page.String(), "\n")
	name, _, _ := strings.Cut(rest, ".SH \"SYNOPSIS\"")
	if !strings.HasPrefix(head, ".TH fremisn-exporter 1 ") {
		t.Errorf("it begins with %s", head)
	}
	want := ".SH \"NAME\"\nfremisn-exporter \\- Shows Prometheus how an NGINX load balancer and the nodes behind it " +
		"serve.\n"
	if name != want {
		t.Errorf("it has the name\n%swant\n%s", name, want)
	}
	if !strings.Contains(rest, `\fB--web.listen-address`) {
		t.Error("it has no flags")
	}
}
