package probe

import (
	"context"
	"math/rand/v2"
	"net"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// echoText fills a packet if payload_size is not set.
const echoText = "fremisn-exporter echo request"

// probeICMP sends one echo request, over an unprivileged socket if the host allows it, otherwise over a raw one.
func probeICMP(ctx context.Context, target string, m *prepared, t *trace) *failure {
	durations := []Phase{{"resolve", 0}, {"setup", 0}, {"rtt", 0}}
	defer func() {
		for _, p := range durations {
			t.gauge("probe_icmp_duration_seconds", "Duration of icmp request by phase", p.Duration.Seconds(),
				Label{"phase",
					p.Name})
		}
	}()
	found, failed := lookup(ctx, target, m.ICMP.IPProtocol, m.ICMP.IPProtocolFallback, t)
	if failed != nil {
		return failed
	}
	ip := found.chosen
	durations[0].Duration = found.took
	t.enter("setup")
	begin := time.Now()
	socket, err := openEcho(ip, &m.ICMP)
	if err != nil {
		return failf("connect",
			"creating an ICMP socket failed (it needs CAP_NET_RAW, or a group in net.ipv4.ping_group_range): %s", err)
	}
	defer socket.Close()
	stop := context.AfterFunc(ctx, func() { socket.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	durations[1].Duration = time.Since(begin)
	t.enter("rtt")
	begin = time.Now()
	hops, err := socket.exchange(m.ICMP.PayloadSize)
	if err != nil {
		return classify(ctx, err, "rtt")
	}
	durations[2].Duration = time.Since(begin)
	if hops >= 0 {
		t.gauge("probe_icmp_reply_hop_limit", "Replied packet hop limit (TTL for ipv4)", float64(hops))
	}
	t.logf("%s replied", ip)
	return nil
}

// An echoSocket sends echo requests to one address. packets is nil where raw is used.
type echoSocket struct {
	ip           *net.IPAddr
	settings     *ICMPProbe
	packets      *icmp.PacketConn
	raw          *ipv4.RawConn
	unprivileged bool // the kernel sets the id of requests and passes on only replies with that id
	v6           bool
}

func openEcho(ip *net.IPAddr, settings *ICMPProbe) (*echoSocket, error) {
	s := &echoSocket{ip: ip, settings: settings, v6: ip.IP.To4() == nil}
	source, datagram, raw := "0.0.0.0", "udp4", "ip4:icmp"
	if s.v6 {
		source, datagram, raw = "::", "udp6", "ip6:ipv6-icmp"
	}
	if settings.SourceIPAddress != "" {
		source = settings.SourceIPAddress
	}
	if settings.DontFragment && !s.v6 {
		return s, s.openRaw(source)
	}
	var err error
	if s.packets, err = icmp.ListenPacket(datagram, source); err == nil {
		s.unprivileged = true
	} else if s.packets, err = icmp.ListenPacket(raw, source); err != nil {
		return nil, err
	}
	// If the kernel does not report hop limits, the reply's is absent.
	if s.v6 {
		s.packets.IPv6PacketConn().SetControlMessage(ipv6.FlagHopLimit, true)
	} else {
		s.packets.IPv4PacketConn().SetControlMessage(ipv4.FlagTTL, true)
	}
	if settings.TTL > 0 {
		if err := s.setTTL(settings.TTL); err != nil {
			s.packets.Close()
			return nil, err
		}
	}
	return s, nil
}

func (s *echoSocket) setTTL(ttl int) error {
	if s.v6 {
		return s.packets.IPv6PacketConn().SetHopLimit(ttl)
	}
	return s.packets.IPv4PacketConn().SetTTL(ttl)
}

// openRaw opens a socket that takes whole IP packets: the flag "don't fragment" is in their header.
func (s *echoSocket) openRaw(source string) error {
	conn, err := net.ListenPacket("ip4:icmp", source)
	if err != nil {
		return err
	}
	if s.raw, err = ipv4.NewRawConn(conn); err != nil {
		conn.Close()
	}
	return err
}

func (s *echoSocket) Close() error {
	if s.raw != nil {
		return s.raw.Close()
	}
	return s.packets.Close()
}

func (s *echoSocket) SetDeadline(t time.Time) error {
	if s.raw != nil {
		return s.raw.SetDeadline(t)
	}
	return s.packets.SetDeadline(t)
}

// exchange sends a request and waits for its reply. It returns the reply's hop limit, -1 if unknown.
func (s *echoSocket) exchange(size int) (hops int, err error) {
	data := []byte(echoText)
	if size > 0 {
		data = make([]byte, size)
		copy(data, echoText)
	}
	echo := &icmp.Echo{ID: int(rand.Uint32() & 0xffff), Seq: int(rand.Uint32() & 0xffff), Data: data}
	message := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: echo}
	if s.v6 {
		message.Type = ipv6.ICMPTypeEchoRequest
	}
	packet, err := message.Marshal(nil)
	if err != nil {
		return 0, err
	}
	if err := s.send(packet); err != nil {
		return 0, err
	}
	buffer := make([]byte, 65536)
	for {
		n, hops, peer, err := s.receive(buffer)
		if err != nil {
			return 0, err
		}
		if peer.Equal(s.ip.IP) && s.isReply(buffer[:n], echo) {
			return hops, nil
		}
	}
}

func (s *echoSocket) send(packet []byte) error {
	if s.raw == nil {
		var to net.Addr = s.ip
		if s.unprivileged {
			to = &net.UDPAddr{IP: s.ip.IP, Zone: s.ip.Zone}
		}
		_, err := s.packets.WriteTo(packet, to)
		return err
	}
	ttl := defaultTTL
	if s.settings.TTL > 0 {
		ttl = s.settings.TTL
	}
	header := &ipv4.Header{
		Version: ipv4.Version, Len: ipv4.HeaderLen, TotalLen: ipv4.HeaderLen + len(packet), TTL: ttl,
		Protocol: 1, Dst: s.ip.IP, Src: net.ParseIP(s.settings.SourceIPAddress), Flags: ipv4.DontFragment,
	}
	return s.raw.WriteTo(header, packet, nil)
}

func (s *echoSocket) receive(buffer []byte) (n, hops int, peer net.IP, err error) {
	hops = -1
	var from net.Addr
	switch {
	case s.raw != nil:
		header, payload, _, err := s.raw.ReadFrom(buffer)
		if err != nil {
			return 0, 0, nil, err
		}
		return copy(buffer, payload), header.TTL, header.Src, nil
	case s.v6:
		var control *ipv6.ControlMessage
		if n, control, from, err = s.packets.IPv6PacketConn().ReadFrom(buffer); control != nil {
			hops = control.HopLimit
		}
	default:
		var control *ipv4.ControlMessage
		if n, control, from, err = s.packets.IPv4PacketConn().ReadFrom(buffer); control != nil {
			hops = control.TTL
		}
	}
	switch from := from.(type) {
	case *net.UDPAddr:
		peer = from.IP
	case *net.IPAddr:
		peer = from.IP
	}
	return n, hops, peer, err
}

// isReply reports whether a packet answers a request. A raw socket also receives the packets of others.
func (s *echoSocket) isReply(packet []byte, request *icmp.Echo) bool {
	protocol, want := 1, icmp.Type(ipv4.ICMPTypeEchoReply)
	if s.v6 {
		protocol, want = 58, ipv6.ICMPTypeEchoReply
	}
	message, err := icmp.ParseMessage(protocol, packet)
	if err != nil || message.Type != want {
		return false
	}
	reply, is := message.Body.(*icmp.Echo)
	return is && reply.Seq == request.Seq && (s.unprivileged || reply.ID == request.ID) &&
		string(reply.Data) == string(request.Data)
}
