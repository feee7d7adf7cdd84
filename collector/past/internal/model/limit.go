package model

// A Limit is a limit_req: a leaky bucket for each key.
type Limit struct {
	Rate    float64 // requests a second
	Burst   int     // requests
	Delay   int     // requests that are not delayed
	NoDelay bool
}

// A bucket is NGINX's state of one key. Excess is in thousandths of a request.
type bucket struct{ excess, last int64 }

// A limiter holds the buckets of a zone, which all workers share.
type limiter struct {
	Limit
	rate    int64 // thousandths of a request a second
	buckets map[uint32]*bucket
}

func newLimiter(l Limit) *limiter {
	return &limiter{Limit: l, rate: int64(l.Rate*1000 + 0.5), buckets: map[uint32]*bucket{}}
}

// admit returns how many milliseconds a request waits, by the arithmetic of ngx_http_limit_req_module; ok is false if
// it is rejected, which changes nothing.
func (l *limiter) admit(key uint32, now int64) (wait int64, ok bool) {
	b := l.buckets[key]
	if b == nil {
		l.buckets[key] = &bucket{last: now}
		return 0, true
	}
	ms := now - b.last
	if ms < -60000 {
		ms = 1
	}
	ms = max(0, ms)
	excess := max(0, b.excess-l.rate*ms/1000+1000)
	if excess > int64(l.Burst)*1000 {
		return 0, false
	}
	b.excess = excess
	if ms > 0 {
		b.last = now
	}
	if l.NoDelay || excess <= int64(l.Delay)*1000 {
		return 0, true
	}
	return (excess - int64(l.Delay)*1000) * 1000 / l.rate, true
}
