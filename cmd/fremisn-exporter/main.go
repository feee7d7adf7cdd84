// Command fremisn-exporter shows Prometheus how an NGINX load balancer and the nodes behind it serve.
package main

import (
	"context"
	"io"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

func run(context.Context, []string, io.Writer, io.Writer) int { return 2 }
