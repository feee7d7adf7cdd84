package probe

import (
	"context"
	"net"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// probeDNS sends one query to a name server and judges the answer.
func probeDNS(ctx context.Context, target string, m *prepared, t *trace) *failure {
	d := &dnsRun{m: m, t: t}
	defer d.metrics()
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		host, port = target, "53"
		if m.DNS.DNSOverTLS {
			port = "853"
		}
	}
	found, failed := lookup(ctx, host, m.DNS.IPProtocol, m.DNS.IPProtocolFallback, t)
	if failed != nil {
		return failed
	}
	ip := found.chosen
	d.resolve = found.took
	answer, failed := d.ask(ctx, host, net.JoinHostPort(ip.String(), port), ip)
	if failed != nil {
		return failed
	}
	return d.judge(answer)
}

// A dnsRun is a dns probe in progress.
type dnsRun struct {
	m *prepared
	t *trace

	resolve, connect, request time.Duration
	counts                    [3]int // records of answer, authority, additional
	succeeded                 float64
}

func (d *dnsRun) ask(ctx context.Context, host, address string, ip *net.IPAddr) (*dns.Msg, *failure) {
	client, failed := d.client(ctx, host, ip)
	if failed != nil {
		return nil, failed
	}
	query := d.query()
	d.t.logf("asking %s for %s", address, query.Question[0].String())
	d.t.enter("connect")
	begin := time.Now()
	conn, err := client.DialContext(ctx, address)
	d.connect = time.Since(begin)
	if err != nil {
		return nil, classify(ctx, err, "connect")
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	d.t.enter("request")
	begin = time.Now()
	answer, _, err := client.ExchangeWithConnContext(ctx, query, conn)
	d.request = time.Since(begin)
	if err != nil {
		return nil, classify(ctx, err, "request")
	}
	return answer, nil
}

func (d *dnsRun) client(ctx context.Context, host string, ip *net.IPAddr) (*dns.Client, *failure) {
	transport := d.m.DNS.TransportProtocol
	if transport == "" {
		transport = "udp"
	}
	client := &dns.Client{Net: network(transport, ip), Dialer: &net.Dialer{}}
	if deadline, ok := ctx.Deadline(); ok {
		client.Timeout = time.Until(deadline)
		client.Dialer.Deadline = deadline
	}
	if source := net.ParseIP(d.m.DNS.SourceIPAddress); source != nil {
		client.Dialer.LocalAddr = &net.UDPAddr{IP: source}
		if transport == "tcp" {
			client.Dialer.LocalAddr = &net.TCPAddr{IP: source}
		}
	}
	if d.m.DNS.DNSOverTLS {
		settings, err := d.m.tls.get(host)
		if err != nil {
			return nil, settingsFailure(err)
		}
		client.Net += "-tls"
		client.TLSConfig = settings
	}
	return client, nil
}

func (d *dnsRun) query() *dns.Msg {
	class, kind := uint16(dns.ClassINET), dns.TypeANY
	if d.m.DNS.QueryClass != "" {
		class = dns.StringToClass[d.m.DNS.QueryClass]
	}
	if d.m.DNS.QueryType != "" {
		kind = dns.StringToType[d.m.DNS.QueryType]
	}
	return &dns.Msg{
		MsgHdr:   dns.MsgHdr{Id: dns.Id(), RecursionDesired: d.m.DNS.Recursion},
		Question: []dns.Question{{Name: dns.Fqdn(d.m.DNS.QueryName), Qtype: kind, Qclass: class}},
	}
}

func (d *dnsRun) judge(answer *dns.Msg) *failure {
	d.counts = [3]int{len(answer.Answer), len(answer.Ns), len(answer.Extra)}
	d.succeeded = 1
	d.t.logf("answered %s with %d, %d and %d records", dns.RcodeToString[answer.Rcode], d.counts[0], d.counts[1],
		d.counts[2])
	if d.m.DNS.QueryType == "SOA" {
		serial := 0.0
		for _, rr := range answer.Answer {
			if soa, is := rr.(*dns.SOA); is {
				serial = float64(soa.Serial)
			}
		}
		d.t.gauge("probe_dns_serial", "Returns the serial number of the zone", serial)
	}
	valid := d.m.DNS.ValidRcodes
	if valid == nil {
		valid = []string{"NOERROR"}
	}
	if rcode := dns.RcodeToString[answer.Rcode]; !slices.Contains(valid, rcode) {
		return failf("status", "answered %s, which is not among valid_rcodes", rcode)
	}
	for _, section := range []struct {
		name  string
		rrs   []dns.RR
		check *RRValidator
	}{
		{"answer", answer.Answer, &d.m.DNS.ValidateAnswer},
		{"authority", answer.Ns, &d.m.DNS.ValidateAuthority},
		{"additional", answer.Extra, &d.m.DNS.ValidateAdditional},
	} {
		if failed := section.check.judge(section.name, section.rrs, d.t); failed != nil {
			return failed
		}
	}
	return nil
}

// judge matches the records of a section against the expressions.
func (v *RRValidator) judge(section string, rrs []dns.RR, t *trace) *failure {
	if len(rrs) == 0 && len(v.FailIfNotMatches)+len(v.FailIfNoneMatches) > 0 {
		return failf("body", "the %s section has no records to match", section)
	}
	all, none := true, true
	for _, rr := range rrs {
		text := rr.String()
		for _, expression := range v.FailIfMatches {
			if expression.MatchString(text) {
				return failf("body", "a record of the %s section matches %q: %s", section, expression,
					t.quote([]byte(text)))
			}
		}
		for _, expression := range v.FailIfAllMatch {
			all = all && expression.MatchString(text)
		}
		for _, expression := range v.FailIfNotMatches {
			if !expression.MatchString(text) {
				return failf("body", "a record of the %s section does not match %q: %s", section, expression,
					t.quote([]byte(text)))
			}
		}
		for _, expression := range v.FailIfNoneMatches {
			none = none && !expression.MatchString(text)
		}
	}
	switch {
	// Despite its name, the option requires all records to match: blackbox_exporter does so, and configs rely on it.
	case len(v.FailIfAllMatch) > 0 && !all:
		return failf("body", "not all records of the %s section match fail_if_all_match_regexp", section)
	case len(v.FailIfNoneMatches) > 0 && none:
		return failf("body", "no record of the %s section matches fail_if_none_matches_regexp", section)
	}
	return nil
}

func (d *dnsRun) metrics() {
	for _, p := range []Phase{{"resolve", d.resolve}, {"connect", d.connect}, {"request", d.request}} {
		d.t.gauge("probe_dns_duration_seconds", "Duration of DNS request by phase", p.Duration.Seconds(), Label{"phase",
			p.Name})
	}
	d.t.gauge("probe_dns_answer_rrs", "Returns number of entries in the answer resource record list",
		float64(d.counts[0]))
	d.t.gauge("probe_dns_authority_rrs", "Returns number of entries in the authority resource record list",
		float64(d.counts[1]))
	d.t.gauge("probe_dns_additional_rrs", "Returns number of entries in the additional resource record list",
		float64(d.counts[2]))
	d.t.gauge("probe_dns_query_succeeded", "Displays whether or not the query was executed successfully", d.succeeded)
}
