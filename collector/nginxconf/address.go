package nginxconf

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// WithPort returns an address in the form of $upstream_addr: with port, such as ":80", if it has none.
func WithPort(address, port string) string {
	if address == "" || strings.HasPrefix(address, "unix:") {
		return address
	}
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	return address + port
}

// Canonical returns HOST:PORT as NGINX logs it: [0:0::1]:80 is [::1]:80. A host's name is returned in lower case, and a
// socket as it is.
func Canonical(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || strings.HasPrefix(address, "unix:") {
		return address
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		var ok bool
		if ip, ok = shortAddress(host); !ok {
			return strings.ToLower(address)
		}
	}
	return net.JoinHostPort(ip.String(), port)
}

// shortAddress parses what else the C library takes for an IPv4 address: 127.1, 0x7f000001. Four numbers NGINX parses
// itself, as decimal ones even with leading zeros.
func shortAddress(host string) (ip netip.Addr, ok bool) {
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return ip, false
	}
	allDecimal := len(parts) == 4 && strings.Trim(host, "0123456789.") == ""
	var value uint64
	for i, part := range parts {
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (4 - i)
		}
		digits, base := cNumber(part)
		if allDecimal {
			digits, base = part, 10
		}
		n, err := strconv.ParseUint(digits, base, bits)
		if err != nil {
			return ip, false
		}
		value = value<<bits | n
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), true
}

// cNumber splits a number of C into its digits and their base.
func cNumber(text string) (digits string, base int) {
	lower := strings.ToLower(text)
	switch {
	case strings.HasPrefix(lower, "0x"):
		return lower[2:], 16
	case strings.HasPrefix(lower, "0"):
		return lower, 8
	}
	return lower, 10
}
