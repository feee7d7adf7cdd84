package nginxconf

import (
	"strconv"
	"strings"
)

// parameter returns the value of name=value among the arguments, or "".
func (d *directive) parameter(name string) string {
	for _, arg := range d.args {
		if value, ok := strings.CutPrefix(arg, name+"="); ok {
			return value
		}
	}
	return ""
}

func (d *directive) hasFlag(name string) bool {
	for _, arg := range d.args {
		if arg == name {
			return true
		}
	}
	return false
}

func (r *reading) limitReqZone(d *directive) error {
	name, _, _ := strings.Cut(valid(d.parameter("zone")), ":")
	if name == "" {
		return errorAt(d, `"limit_req_zone" must have "zone" parameter`)
	}
	rate := d.parameter("rate")
	text, unit := rate, 1.0
	if cut, ok := strings.CutSuffix(rate, "r/s"); ok {
		text = cut
	} else if cut, ok := strings.CutSuffix(rate, "r/m"); ok {
		text, unit = cut, 60
	}
	n, err := strconv.Atoi(text)
	if rate != "" && (err != nil || n <= 0) {
		return errorAt(d, "invalid rate %q", "rate="+rate)
	}
	if rate == "" {
		n = 1
	}
	r.zones[name] = float64(n) / unit
	r.config.LimitZones = append(r.config.LimitZones, LimitZone{d.Pos, name, valid(d.args[0]), r.zones[name]})
	return nil
}

func (r *reading) limitReq(d *directive, s scope) (LimitReq, error) {
	zone := valid(d.parameter("zone"))
	rate, ok := r.zones[zone]
	if !ok {
		return LimitReq{}, errorAt(d, "zero size shared memory zone %q", zone)
	}
	l := LimitReq{Pos: d.Pos, Zone: zone, Rate: rate, Status: s.limitReqStatus, DryRun: s.limitReqDryRun}
	var err error
	if l.Burst, err = d.number("burst"); err != nil {
		return l, err
	}
	if l.Delay, err = d.number("delay"); err != nil {
		return l, err
	}
	if d.hasFlag("nodelay") {
		l.Delay = -1
	}
	return l, nil
}

// number returns the value of name=value, or 0.
func (d *directive) number(name string) (int, error) {
	text := d.parameter(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return 0, errorAt(d, "invalid %s value %q", name, name+"="+text)
	}
	return n, nil
}

func (r *reading) limitConn(d *directive, s scope) error {
	n, err := strconv.Atoi(d.args[1])
	if err != nil || n <= 0 {
		return errorAt(d, "invalid number of connections %q", d.args[1])
	}
	r.config.LimitConns = append(r.config.LimitConns, LimitConn{
		Pos: d.Pos, Zone: valid(d.args[0]), Limit: n, Status: s.limitConnStatus, DryRun: s.limitConnDryRun,
	})
	return nil
}
