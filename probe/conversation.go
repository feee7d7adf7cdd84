package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"
)

// A conversation is steps of lines expected and sent over one connection.
type conversation struct {
	conn  net.Conn
	lines *bufio.Scanner
	host  string // for certificates
	m     *prepared
	t     *trace
	steps []QueryResponse

	sent, answered           bool // something has been sent, something has been received
	regexFailed, bytesFailed float64
}

func converse(ctx context.Context, c conversation, secure bool) *failure {
	// A cancelled probe ends at once, not at its deadline.
	raw := c.conn
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if secure {
		if failed := c.secure(ctx); failed != nil {
			return failed
		}
	}
	return c.run(ctx)
}

// run executes the steps.
func (c *conversation) run(ctx context.Context) *failure {
	defer func() {
		c.t.gauge("probe_failed_due_to_regex", "Indicates if probe failed due to regex", c.regexFailed)
		c.t.gauge("probe_failed_due_to_bytes", "Indicates if probe failed due to bytes", c.bytesFailed)
	}()
	c.lines = bufio.NewScanner(c.conn)
	if len(c.steps) > 0 {
		c.t.enter("conversation")
	}
	for i := range c.steps {
		if failed := c.step(ctx, i); failed != nil {
			return failed
		}
	}
	return nil
}

// secure switches the connection to TLS.
func (c *conversation) secure(ctx context.Context) *failure {
	c.t.enter("tls")
	settings, err := c.m.tls.get(c.host)
	if err != nil {
		return settingsFailure(err)
	}
	if settings.ServerName == "" && !settings.InsecureSkipVerify {
		return failf("tls", "a certificate cannot be verified against a path; give tls_config.server_name")
	}
	conn := tls.Client(c.conn, settings)
	if err := conn.HandshakeContext(ctx); err != nil {
		return classify(ctx, err, "tls")
	}
	state := conn.ConnectionState()
	c.t.chainMetrics(&state)
	c.t.logf("TLS handshake done: %s, %s", tlsVersion(state.Version), tls.CipherSuiteName(state.CipherSuite))
	c.conn, c.lines = conn, bufio.NewScanner(conn)
	return nil
}

func (c *conversation) step(ctx context.Context, i int) *failure {
	step := &c.steps[i]
	send := []byte(step.Send)
	if step.Expect.Regexp != nil {
		match, failed := c.expect(ctx, step.Expect)
		if failed != nil {
			return failed
		}
		send = step.Expect.Expand(nil, send, c.lines.Bytes(), match)
		c.info(step, match)
	}
	if step.ExpectBytes != "" {
		if failed := c.expectBytes(ctx, []byte(step.ExpectBytes)); failed != nil {
			return failed
		}
	}
	if len(send) > 0 {
		// What is sent may be a password, and the answer may repeat it: the log has only lengths.
		c.sent = true
		c.t.logf("step %d sends %d bytes", i+1, len(send)+1)
		if _, err := c.conn.Write(append(send, '\n')); err != nil {
			return classify(ctx, err, "conversation")
		}
	}
	if step.StartTLS {
		if failed := c.secure(ctx); failed != nil {
			return failed
		}
		c.t.enter("conversation")
	}
	return nil
}

// expect reads lines until one matches.
func (c *conversation) expect(ctx context.Context, expression Regexp) ([]int, *failure) {
	for c.lines.Scan() {
		if err := c.lines.Err(); err != nil {
			break // a partial line of a server that then hangs or resets the connection
		}
		c.answered = true
		line := c.lines.Bytes()
		c.t.logf("read %s", c.shown(line))
		if match := expression.FindSubmatchIndex(line); match != nil {
			c.regexFailed = 0
			return match, nil
		}
	}
	if err := c.lines.Err(); err != nil {
		return nil, classify(ctx, err, "conversation")
	}
	c.regexFailed = 1
	if !c.answered {
		return nil, closedFailure()
	}
	return nil, failf("body", "the connection ended before a line matched %q", expression)
}

// shown returns what may be shown of a server's text.
func (c *conversation) shown(text []byte) string {
	if c.sent {
		return fmt.Sprintf("%d bytes", len(text))
	}
	return c.t.quote(text)
}

func (c *conversation) expectBytes(ctx context.Context, want []byte) *failure {
	got := make([]byte, len(want))
	n, err := io.ReadFull(c.conn, got)
	c.answered = c.answered || n > 0
	switch {
	case !c.answered && err == io.EOF:
		return closedFailure()
	case err == io.ErrUnexpectedEOF, err == io.EOF:
		return failf("body", "received %d bytes, expected %d", n, len(want))
	case err != nil:
		return classify(ctx, err, "conversation")
	}
	if c.bytesFailed = 0; !bytes.Equal(got, want) {
		c.bytesFailed = 1
		return failf("body", "received bytes differ from those expected: %s", c.shown(got))
	}
	return nil
}

// info returns the submatches of an expression as labels.
func (c *conversation) info(step *QueryResponse, match []int) {
	if step.Labels == nil {
		return
	}
	var labels []Label
	for _, l := range step.Labels {
		value := string(step.Expect.Expand(nil, []byte(l.Value), c.lines.Bytes(), match))
		labels = append(labels, Label{l.Name, c.m.sent.Mask(c.t.secrets.Mask(value))})
	}
	c.t.gauge("probe_expect_info", "Explicit content matched", 1, labels...)
}
