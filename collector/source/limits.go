package source

import (
	"slices"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// LimitStatuses are the statuses that limit_req and limit_conn reject with, 503 where nothing says otherwise: those in
// force where the limits are, if they agree, else those of http.
func (s *Settings) LimitStatuses() (limitReq, limitConn int) {
	if s.Conf == nil {
		return defaultLimitStatus, defaultLimitStatus
	}
	var ofReq, ofConn []int
	for _, l := range s.Conf.LimitReqs {
		ofReq = append(ofReq, l.Status)
	}
	for _, l := range s.Conf.LimitConns {
		ofConn = append(ofConn, l.Status)
	}
	return agreed(ofReq, s.Conf.LimitReqStatus), agreed(ofConn, s.Conf.LimitConnStatus)
}

const defaultLimitStatus = 503

func agreed(statuses []int, otherwise int) int {
	if statuses = slices.Compact(statuses); len(statuses) == 1 {
		return statuses[0]
	}
	if otherwise == 0 {
		return defaultLimitStatus
	}
	return otherwise
}

// ErrorLevel is what the level of an error log lets through of failures of upstreams: that of the most talkative
// directive that writes the file, in nginx.conf. A log that it does not name is taken to have the default level.
func (s *Settings) ErrorLevel(log LogSource) nginxconf.Level {
	level, found := nginxconf.LevelError, false
	for _, l := range s.Conf.ErrorLogs {
		if l.Path != log.Path || log.Path == "" {
			continue
		}
		this := nginxconf.LevelOf(l.Level)
		if !found || this < level {
			level, found = this, true
		}
	}
	return level
}
