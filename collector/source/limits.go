package source

import (
	"slices"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// LimitStatuses returns the statuses that limit_req and limit_conn reject with, by default 503: those in force where
// the limits are, if they agree, otherwise those of http.
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

// ErrorLevel returns which failures of upstreams an error log's level includes: the level of the most verbose
// directive in nginx.conf that writes the file. A log that nginx.conf does not name is assumed to have the default
// level.
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
