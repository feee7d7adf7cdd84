package ledger

// A Bucket counts the observations of From to To milliseconds, both included.
type Bucket struct{ From, To, Count uint64 }

// Buckets returns the buckets that are not empty, in rising order.
func (h *Histogram) Buckets() []Bucket {
	var list []Bucket
	for i, n := range h.counts {
		if n == 0 {
			continue
		}
		b := Bucket{To: h.layout.upper[i], Count: n}
		if i > 0 {
			b.From = h.layout.upper[i-1] + 1
		}
		list = append(list, b)
	}
	return list
}
