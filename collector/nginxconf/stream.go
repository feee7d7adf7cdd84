package nginxconf

import (
	"slices"
	"strings"
	"time"
)

// stream reads formats, logs and groups of stream{}. NGINX reports what is wrong with them; here it is an error only
// if the rest becomes unreadable.
func (r *reading) stream(stream *directive) error {
	s := &r.config.Stream
	s.LogFormats = map[string]LogFormat{}
	for _, d := range stream.block {
		var err error
		switch d.name {
		case "log_format":
			err = logFormat(d, s.LogFormats)
		case "upstream":
			var u Upstream
			if u, err = r.group(d, ""); err == nil {
				u.Keepalive = 0
				s.Upstreams = append(s.Upstreams, u)
			}
		}
		if err != nil {
			return err
		}
	}
	return r.streamBlock(stream)
}

// streamBlock reads the access logs of stream{} and its servers, and where these pass to. Error logs are those of any
// block.
func (r *reading) streamBlock(block *directive) error {
	var own []AccessLog
	for _, d := range block.block {
		switch {
		case d.name == "server" && d.hasBlock:
			if err := r.streamBlock(d); err != nil {
				return err
			}
		case d.name == "proxy_pass" && len(d.args) > 0:
			r.config.Stream.passedTo(d)
		case d.name == "access_log":
			log, isLog, err := r.readAccessLog(d, r.config.Stream.LogFormats, "stream")
			if err != nil {
				return err
			}
			if isLog {
				log.Unwritten = block.name == "stream" && everyServerHasLog(block.block)
				own = append(own, log)
			}
		case d.name == "error_log":
			if err := r.errorLog(d); err != nil {
				return err
			}
		}
	}
	r.config.Stream.AccessLogs = append(r.config.Stream.AccessLogs, own...)
	if len(own) > 0 && !own[0].Unwritten {
		r.config.Stream.LogSets = append(r.config.Stream.LogSets, LogSet{"stream", own})
	}
	return nil
}

// passedTo reads a proxy_pass of stream{}: an address without an upstream block is a group of its own.
func (s *Stream) passedTo(d *directive) {
	name := valid(d.args[0])
	isKnown := func(u Upstream) bool { return strings.EqualFold(u.Name, name) }
	if strings.Contains(name, "$") || slices.ContainsFunc(s.Upstreams, isKnown) {
		return
	}
	server := Server{Pos: d.Pos, Address: name, Weight: 1, MaxFails: 1, FailTimeout: 10 * time.Second}
	s.Upstreams = append(s.Upstreams, Upstream{Pos: d.Pos, Name: name, Servers: []Server{server}, Method: roundRobin,
		Implicit: true})
}
