package testenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Nginx is a real NGINX.
type Nginx struct {
	*Process
	Dir  string // its folder: nginx.conf, access and error logs
	Conf string // the path of its configuration
}

// StartNginx runs NGINX with a complete nginx.conf in dir, and waits until it listens on every given address. DIR in
// the text is replaced by dir. Start the text with Preamble, which keeps all of NGINX in its folder.
func StartNginx(ctx context.Context, dir, conf string, addresses ...string) (*Nginx, error) {
	binary, err := Find("nginx")
	if err != nil {
		return nil, err
	}
	n := &Nginx{Dir: dir, Conf: filepath.Join(dir, "nginx.conf")}
	if err := n.Write(conf); err != nil {
		return nil, err
	}
	if n.Process, err = start("nginx", binary, "-p", dir, "-c", n.Conf, "-e", filepath.Join(dir, "start.log"), "-g",
		"daemon off;"); err != nil {
		return nil, err
	}
	for _, address := range addresses {
		if err := n.answers(ctx, address); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// Write replaces the configuration; Reload makes NGINX load it.
func (n *Nginx) Write(conf string) error {
	return os.WriteFile(n.Conf, []byte(strings.ReplaceAll(conf, "DIR", n.Dir)), 0o644)
}

// Reload makes NGINX read its configuration again.
func (n *Nginx) Reload() error { return n.Signal(syscall.SIGHUP) }

// Preamble is the main part of an nginx.conf that needs nothing outside its folder.
func Preamble() string {
	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n"
	}
	return user + `worker_processes 1;
pid DIR/nginx.pid;
error_log DIR/error.log warn;
events { worker_connections 512; }
`
}

// StreamModule is the first line of an nginx.conf with stream{}: Debian has the module in a package of its own.
const StreamModule = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"

// TempPaths belong into http: NGINX's own folders need root.
const TempPaths = `
    client_body_temp_path DIR/body;
    proxy_temp_path DIR/proxy;
    fastcgi_temp_path DIR/fastcgi;
    uwsgi_temp_path DIR/uwsgi;
    scgi_temp_path DIR/scgi;
`

// A Topology is FREMIS-N's load balancer and nodes, on other addresses.
type Topology struct {
	Listen              string        // of the load balancer
	Status              string        // of the status page
	Nodes               []string      // addresses
	Formats             []Format      // the access logs; a file NAME.log each
	Rate                string        // of the limiter, 10r/s where empty
	Burst               int           // 20 where 0
	Connect, Send, Read time.Duration // 5 s, 60 s and 60 s where 0
	Server              string        // more directives for each upstream server, "max_conns=1" where empty
	HTML                string        // the folder of 502.html and 50x.html; "" writes plain ones
}

// A Format is a log_format with its name.
type Format struct{ Name, Escape, Format string }

// Common formats.
const (
	FullFormat = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" ` +
		`"$http_user_agent" ` +
		`id="$request_id" rt=$request_time rl=$request_length bs=$bytes_sent lr=$limit_req_status ` +
		`lc=$limit_conn_status cs=$upstream_cache_status ` +
		`ua="$upstream_addr" us="$upstream_status" uct="$upstream_connect_time" uht="$upstream_header_time" ` +
		`urt="$upstream_response_time" ubs="$upstream_bytes_sent" ubr="$upstream_bytes_received"`
	IncumbentFormat = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent ` +
		`"$http_referer" "$http_user_agent" ` +
		`"$http_x_forwarded_for" upstream_addr=$upstream_addr upstream_response_time=$upstream_response_time ` +
		`request_time=$request_time`
	JSONFormat = `{"time":"$time_iso8601","request":"$request","status":$status,"id":"$request_id",` +
		`"rt":$request_time,"rl":$request_length,` +
		`"bs":$bytes_sent,"lr":"$limit_req_status","ua":"$upstream_addr","us":"$upstream_status",` +
		`"uct":"$upstream_connect_time",` +
		`"uht":"$upstream_header_time","urt":"$upstream_response_time","agent":"$http_user_agent"}`
)

// Conf returns the complete nginx.conf.
func (t Topology) Conf() string {
	var b strings.Builder
	b.WriteString(Preamble())
	b.WriteString("http {" + TempPaths)
	for _, f := range t.Formats {
		escape := ""
		if f.Escape != "" {
			escape = "escape=" + f.Escape + " "
		}
		fmt.Fprintf(&b, "    log_format %s %s'%s';\n    access_log DIR/%s.log %s;\n", f.Name, escape,
			strings.ReplaceAll(f.Format, "'", `\'`), f.Name, f.Name)
	}
	rate, server := or(t.Rate, "10r/s"), or(t.Server, "max_conns=1")
	burst := t.Burst
	if burst == 0 {
		burst = 20
	}
	fmt.Fprintf(&b, "    limit_req_zone $binary_remote_addr zone=fremisn_limit:10m rate=%s;\n    upstream "+
		"fremisn_backend {\n", rate)
	for _, node := range t.Nodes {
		fmt.Fprintf(&b, "        server %s %s;\n", node, server)
	}
	fmt.Fprintf(&b, `        keepalive 32;
    }
    server {
        listen %s;
        location / {
            limit_req zone=fremisn_limit burst=%d nodelay;
            proxy_pass http://fremisn_backend;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_connect_timeout %s;
            proxy_send_timeout %s;
            proxy_read_timeout %s;
            proxy_buffering on;
            proxy_buffers 8 4k;
        }
        error_page 502 /502.html;
        error_page 500 503 504 /50x.html;
        location = /502.html { root %s; internal; }
        location = /50x.html { root %s; internal; }
    }
    server {
        listen %s;
        access_log off;
        location = /nginx_status { stub_status; allow 127.0.0.0/8; deny all; }
    }
}
`, t.Listen, burst, times(t.Connect, 5*time.Second), times(t.Send, time.Minute), times(t.Read, time.Minute),
		or(t.HTML, "DIR/html"), or(t.HTML, "DIR/html"), t.Status)
	return b.String()
}

func or(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}

func times(d, instead time.Duration) string {
	if d == 0 {
		d = instead
	}
	return fmt.Sprintf("%dms", d.Milliseconds())
}

// WritePages writes plain error pages for a Topology without its own.
func WritePages(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "html"), 0o755); err != nil {
		return err
	}
	for _, name := range []string{"502.html", "50x.html"} {
		if err := os.WriteFile(filepath.Join(dir, "html", name), []byte("<!doctype html><title>"+name+"</title>\n"),
			0o644); err != nil {
			return err
		}
	}
	return nil
}
