package accesslog

import (
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A routeTable finds the route of a path. Most expressions only match a prefix, which needs no regexp engine; the
// results of others are remembered.
type routeTable struct {
	names   []string // by number; the last is for paths without a match
	without int      // the number if the format has no path
	routes  []compiledRoute
	ignore  []bool // by number
	pure    bool   // all are prefixes, of paths without their queries
	seen    map[string]int
}

type compiledRoute struct {
	match  *regexp.Regexp
	prefix string
	pure   bool // the whole expression is ^prefix
}

const (
	otherRoute = "other"
	// maxSeenPaths and maxSeenPath limit the memory of paths: 4,096 paths of 128 bytes.
	maxSeenPaths = 4096
	maxSeenPath  = 128
)

func newRouteTable(routes []source.Route) routeTable {
	t := routeTable{pure: true, seen: map[string]int{}}
	for _, r := range routes {
		c := compiledRoute{match: r.Match}
		c.prefix, c.pure = anchoredPrefix(r.Match)
		t.pure = t.pure && c.pure && !strings.ContainsAny(c.prefix, " ?")
		t.names = append(t.names, r.Name)
		t.ignore = append(t.ignore, r.Ignore)
		t.routes = append(t.routes, c)
	}
	last := otherRoute
	if len(routes) == 0 {
		last = ""
	}
	t.names = append(t.names, last)
	t.ignore = append(t.ignore, false)
	t.without = len(routes)
	return t
}

// ignored reports whether requests of a route are not counted.
func (t *routeTable) ignored(route int) bool { return t.ignore[route] }

// find returns the number of a request's route.
func (t *routeTable) find(r *logformat.Record) int {
	if t.pure {
		path := r.URI // what begins with the path
		for i := range t.routes {
			// The last byte first: the beginnings of paths are alike.
			prefix := t.routes[i].prefix
			n := len(prefix)
			if len(path) >= n && (n == 0 || path[n-1] == prefix[n-1]) && string(path[:n]) == prefix {
				return i
			}
		}
		return len(t.routes)
	}
	path := r.Path()
	if id, ok := t.seen[string(path)]; ok {
		return id
	}
	id := t.match(path)
	if len(path) <= maxSeenPath {
		if len(t.seen) == maxSeenPaths {
			clear(t.seen)
		}
		t.seen[string(path)] = id
	}
	return id
}

func (t *routeTable) match(path []byte) int {
	for i, r := range t.routes {
		if r.pure {
			if len(path) >= len(r.prefix) && string(path[:len(r.prefix)]) == r.prefix {
				return i
			}
		} else if r.match.Match(path) {
			return i
		}
	}
	return len(t.routes)
}

// anchoredPrefix reports whether an expression is only ^prefix, and returns the prefix.
func anchoredPrefix(match *regexp.Regexp) (prefix string, pure bool) {
	expression, err := syntax.Parse(match.String(), syntax.Perl)
	if err != nil {
		return "", false
	}
	expression = expression.Simplify()
	if expression.Op == syntax.OpBeginText {
		return "", true
	}
	if expression.Op != syntax.OpConcat || len(expression.Sub) != 2 {
		return "", false
	}
	begin, literal := expression.Sub[0], expression.Sub[1]
	if begin.Op != syntax.OpBeginText || literal.Op != syntax.OpLiteral || literal.Flags&syntax.FoldCase != 0 {
		return "", false
	}
	return string(literal.Rune), true
}
