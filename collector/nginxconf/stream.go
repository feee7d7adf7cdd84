package nginxconf

// stream reads formats, logs and groups of stream{}. What is wrong with them NGINX tells; here it is no error but where
// it keeps the rest from being read.
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
	return r.streamLogs(stream)
}

// streamLogs reads the access logs of stream{} and its servers. Its error logs are those of any block.
func (r *reading) streamLogs(block *directive) error {
	var own []AccessLog
	for _, d := range block.block {
		switch {
		case d.name == "server" && d.hasBlock:
			if err := r.streamLogs(d); err != nil {
				return err
			}
		case d.name == "access_log":
			log, isLog, err := r.readAccessLog(d, r.config.Stream.LogFormats, "stream")
			if err != nil {
				return err
			}
			if isLog {
				own = append(own, log)
				r.config.Stream.AccessLogs = append(r.config.Stream.AccessLogs, log)
			}
		case d.name == "error_log":
			if err := r.errorLog(d); err != nil {
				return err
			}
		}
	}
	if len(own) > 0 {
		r.config.Stream.LogSets = append(r.config.Stream.LogSets, LogSet{"stream", own})
	}
	return nil
}
