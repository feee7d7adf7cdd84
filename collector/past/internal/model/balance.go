package model

// A peer is a server in the view of one worker, or of all that share a zone: the fields of NGINX's
// ngx_http_upstream_rr_peer_t, with the same names and the same arithmetic.
type peer struct {
	*Server
	current, effective int   // weights
	conns              int   // attempts under way
	fails              int   // failures that count against max_fails
	accessed, checked  int64 // seconds: the last failure, and the last failure or trial
}

// A balancer is one worker's state of a group; all workers share one for a group with a zone.
type balancer struct {
	primary, backup []*peer
	leastConn       bool
}

func newBalancer(g *Group) *balancer {
	b := &balancer{leastConn: g.LeastConn}
	for i := range g.Servers {
		s := &g.Servers[i]
		p := &peer{Server: s, effective: s.Weight}
		if s.Backup {
			b.backup = append(b.backup, p)
		} else {
			b.primary = append(b.primary, p)
		}
	}
	return b
}

// single reports whether the group has one server and no backup: it is never passed over.
func (b *balancer) single() bool { return len(b.primary) == 1 && len(b.backup) == 0 }

// tries returns the maximum number of attempts of a request.
func (b *balancer) tries() int {
	n := 0
	for _, list := range [][]*peer{b.primary, b.backup} {
		for _, p := range list {
			if !p.Down {
				n++
			}
		}
	}
	return n
}

// pick chooses the server of the next attempt as ngx_http_upstream_get_round_robin_peer does, or the least_conn
// module; nil if no server is live. now is in seconds.
func (b *balancer) pick(t *tried, now int64) *peer {
	if b.single() {
		p := b.primary[0]
		if p.Down || p.full() {
			return nil
		}
		p.conns++
		return p
	}
	if !t.backup {
		if p := b.choose(b.primary, t, now); p != nil {
			return p
		}
		if len(b.backup) == 0 {
			return nil
		}
		*t = tried{backup: true}
	}
	return b.choose(b.backup, t, now)
}

func (b *balancer) choose(peers []*peer, t *tried, now int64) *peer {
	var usable [64]*peer
	candidates := usable[:0]
	for _, p := range peers {
		if !t.has(p) && p.usable(now) {
			candidates = append(candidates, p)
		}
	}
	if b.leastConn {
		candidates = leastBusy(candidates)
	}
	best := weighted(candidates, b.leastConn)
	if best == nil {
		return nil
	}
	t.peers = append(t.peers, best)
	if now-best.checked > best.FailTimeout {
		best.checked = now
	}
	best.conns++
	return best
}

// leastBusy returns the peers with the fewest connections for their weight.
func leastBusy(peers []*peer) []*peer {
	var least []*peer
	for _, p := range peers {
		if len(least) > 0 && p.conns*least[0].Weight < least[0].conns*p.Weight {
			least = least[:0]
		}
		if len(least) == 0 || p.conns*least[0].Weight == least[0].conns*p.Weight {
			least = append(least, p)
		}
	}
	return least
}

// weighted takes one turn of smooth weighted round robin. least_conn takes none if only one peer is least busy.
func weighted(peers []*peer, leastConn bool) *peer {
	if len(peers) == 0 {
		return nil
	}
	if leastConn && len(peers) == 1 {
		return peers[0]
	}
	var best *peer
	total := 0
	for _, p := range peers {
		p.current += p.effective
		total += p.effective
		if p.effective < p.Weight {
			p.effective++
		}
		if best == nil || p.current > best.current {
			best = p
		}
	}
	best.current -= total
	return best
}

func (p *peer) full() bool { return p.MaxConns > 0 && p.conns >= p.MaxConns }

// out reports whether the server is passed over after its failures.
func (p *peer) out(now int64) bool {
	return p.MaxFails > 0 && p.fails >= p.MaxFails && now-p.checked <= p.FailTimeout
}

func (p *peer) usable(now int64) bool { return !p.Down && !p.out(now) && !p.full() }

// free ends an attempt as ngx_http_upstream_free_round_robin_peer does.
func (b *balancer) free(p *peer, failed bool, now int64) {
	p.conns--
	if b.single() {
		return
	}
	if !failed {
		if p.accessed < p.checked {
			p.fails = 0
		}
		return
	}
	p.fails++
	p.accessed, p.checked = now, now
	if p.MaxFails > 0 {
		p.effective = max(0, p.effective-p.Weight/p.MaxFails)
	}
}

// tried are the servers that a request has tried.
type tried struct {
	peers  []*peer
	backup bool // it is among the backups now
}

func (t *tried) has(p *peer) bool {
	for _, q := range t.peers {
		if p == q {
			return true
		}
	}
	return false
}
