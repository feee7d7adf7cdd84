package logformat

// A kind is the shape that NGINX gives to the value of a variable.
type kind uint8

const (
	kindText        kind = iota // anything that the escaping allows
	kindEnd                     // no value: after the last step
	kindMark                    // no value: captures the value that follows
	kindCapture                 // no value: captures the previous value
	kindToken                   // no space and no quote
	kindFixed                   // of fixed width
	kindRequest                 // $request: METHOD URI PROTOCOL, or anything inside quotes
	kindMethod                  // $request_method
	kindURI                     // $request_uri
	kindID                      // $request_id
	kindStatus                  // three digits
	kindTime                    // seconds with three decimals
	kindSize                    // digits
	kindWord                    // one of a few words: statuses of the cache and the limits
	kindLocalTime               // 24/Nov/2026:12:27:30 +0000
	kindISOTime                 // 2026-11-24T12:27:30+00:00
	kindUnixTime                // $msec: seconds since 1970 with three decimals
	kindAddresses               // $upstream_addr
	kindListTime                // lists of the above, one element for each of $upstream_addr
	kindListSize                //
	kindListStatus              //
	kindListUnknown             // an unused list
)

func (k kind) isList() bool { return k >= kindAddresses }

// A variable is what this package knows of one of NGINX's variables.
type variable struct {
	name  string
	kind  kind
	width int   // bytes, if always the same
	field Field // where the value goes
}

// fieldVariables are the variables from which the fields are read.
var fieldVariables = [noField]variable{
	Request:                {name: "request", kind: kindRequest},
	RequestMethod:          {name: "request_method", kind: kindMethod},
	RequestURI:             {name: "request_uri", kind: kindURI},
	RequestID:              {name: "request_id", kind: kindID},
	Status:                 {name: "status", kind: kindStatus, width: 3},
	RequestTime:            {name: "request_time", kind: kindTime},
	BytesSent:              {name: "bytes_sent", kind: kindSize},
	BodyBytesSent:          {name: "body_bytes_sent", kind: kindSize},
	RequestLength:          {name: "request_length", kind: kindSize},
	LimitReqStatus:         {name: "limit_req_status", kind: kindWord},
	LimitConnStatus:        {name: "limit_conn_status", kind: kindWord},
	CacheStatus:            {name: "upstream_cache_status", kind: kindWord},
	Msec:                   {name: "msec", kind: kindUnixTime},
	TimeISO8601:            {name: "time_iso8601", kind: kindISOTime, width: len("2026-11-24T12:27:30+00:00")},
	TimeLocal:              {name: "time_local", kind: kindLocalTime, width: len("24/Nov/2026:12:27:30 +0000")},
	UpstreamAddr:           {name: "upstream_addr", kind: kindAddresses},
	UpstreamStatus:         {name: "upstream_status", kind: kindListStatus},
	UpstreamResponseTime:   {name: "upstream_response_time", kind: kindListTime},
	UpstreamHeaderTime:     {name: "upstream_header_time", kind: kindListTime},
	UpstreamConnectTime:    {name: "upstream_connect_time", kind: kindListTime},
	UpstreamBytesSent:      {name: "upstream_bytes_sent", kind: kindListSize},
	UpstreamBytesReceived:  {name: "upstream_bytes_received", kind: kindListSize},
	UpstreamResponseLength: {name: "upstream_response_length", kind: kindListSize},
}

// unstored are variables of which nothing is stored: a value of another shape shows that the line has another format.
var unstored = []variable{
	{name: "upstream_queue_time", kind: kindListUnknown},
	{name: "pipe", kind: kindFixed, width: 1},
	{name: "remote_addr", kind: kindToken},
	{name: "realip_remote_addr", kind: kindToken},
	{name: "proxy_protocol_addr", kind: kindToken},
	{name: "server_addr", kind: kindToken},
	{name: "scheme", kind: kindToken},
	{name: "remote_port", kind: kindSize},
	{name: "server_port", kind: kindSize},
	{name: "connection", kind: kindSize},
	{name: "connection_requests", kind: kindSize},
}

// lookup returns the properties of a variable. An unknown variable is text.
func lookup(name string) variable {
	canonical, v := name, variable{name: name, kind: kindText, field: noField}
	if name == "req_id" { // ingress-nginx copies $request_id to it
		canonical = "request_id"
	}
	for f, row := range fieldVariables {
		if row.name == canonical {
			v.kind, v.width, v.field = row.kind, row.width, Field(f)
		}
	}
	for _, row := range unstored {
		if row.name == canonical {
			v.kind, v.width = row.kind, row.width
		}
	}
	return v
}

// VariableName returns the variable that a field is read from, without its dollar.
func VariableName(f Field) string { return fieldVariables[f].name }
