package source

import "slices"

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
