// Command fremisn-sim runs simulated FREMIS-N nodes, for demonstrations and tests.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/sim"
)

func main() {
	app := kingpin.New("fremisn-sim", "Simulated FREMIS-N nodes: health, enrollment and recognition, licence usage, "+
		"faults on demand.")
	nodes := app.Flag("node", "NAME=ADDRESS of a node; repeatable.").Default("master=127.0.0.231:4005",
		"slave-1=127.0.0.18:4008", "slave-2=127.0.0.17:4009").Strings()
	base := app.Flag("latency", "The minimum time of a face request.").Default("40ms").Duration()
	spread := app.Flag("spread", "Additional time of slow requests.").Default("300ms").Duration()
	control := app.Flag("control", "Where faults are set: POST "+
		"/NODE/fault?kind=slow|fail|reset|hang|license&delay=2s&code=500&count=1&path=/v1/face, POST /NODE/clear, "+
		"GET /NODE/served.").Default("127.0.0.1:4000").String()
	kingpin.MustParse(app.Parse(os.Args[1:]))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *nodes, *control, sim.Latency{Base: *base, Spread: *spread}); err != nil {
		fmt.Fprintln(os.Stderr, "fremisn-sim:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, nodes []string, control string, latency sim.Latency) error {
	mux := http.NewServeMux()
	for _, text := range nodes {
		name, address, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("%q is not NAME=ADDRESS", text)
		}
		node, err := sim.Start(name, address, latency)
		if err != nil {
			return err
		}
		defer node.Close()
		mux.Handle("/"+name+"/", http.StripPrefix("/"+name, node.Control()))
		fmt.Printf("%-10s http://%s\n", name, node.Address)
	}
	listener, err := net.Listen("tcp", control)
	if err != nil {
		return err
	}
	fmt.Printf("%-10s http://%s\n", "control", listener.Addr())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener)
	<-ctx.Done()
	return server.Close()
}
