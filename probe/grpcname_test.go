package probe

import (
	"context"
	"net"
	"testing"

	"github.com/miekg/dns"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// TestGRPCToANameTriesAllAddresses: the name has an address of each protocol, and the server listens on one of them.
func TestGRPCToANameTriesAllAddresses(t *testing.T) {
	address := healthServer(t, listen(t))
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	names := recordServer(t, "both.example. 60 IN A 127.0.0.1", "both.example. 60 IN AAAA ::1")
	t.Cleanup(testenv.LookUpAt(names))
	s := newService(t, "modules: {m: {prober: grpc, timeout: 20s}, "+
		"four: {prober: grpc, timeout: 20s, grpc: {preferred_ip_protocol: ip4}}}\n")
	for _, module := range []string{"m", "four"} {
		r, err := s.Once(context.Background(), module, "both.example:"+port)
		if err != nil || !r.Success {
			t.Errorf("%s: %v, reason %q: %s", module, err, r.Reason, r.Sentence)
		}
	}
}

// recordServer answers with these records, and returns its address.
func recordServer(t *testing.T, records ...string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, request *dns.Msg) {
		answer := new(dns.Msg).SetReply(request)
		for _, text := range records {
			record, err := dns.NewRR(text)
			if err != nil {
				t.Error(err)
				continue
			}
			if record.Header().Rrtype == request.Question[0].Qtype {
				answer.Answer = append(answer.Answer, record)
			}
		}
		w.WriteMsg(answer)
	})}
	go server.ActivateAndServe()
	t.Cleanup(func() { server.Shutdown() })
	return conn.LocalAddr().String()
}
