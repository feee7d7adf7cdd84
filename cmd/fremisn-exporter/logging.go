package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/common/version"
)

func newLogger(w io.Writer, least, format string) (log.Logger, error) {
	logger := log.NewLogfmtLogger(log.NewSyncWriter(w))
	if format == "json" {
		logger = log.NewJSONLogger(log.NewSyncWriter(w))
	}
	value, err := level.Parse(least)
	if err != nil {
		return nil, err
	}
	logger = level.NewFilter(logger, level.Allow(value))
	return log.With(logger, "ts", log.DefaultTimestampUTC), nil
}

// runtimeInfo is the first part of the log.
func runtimeInfo() []any {
	host, _ := os.Hostname()
	return []any{"version", version.Info(), "go", runtime.Version(), "host", host, "pid", os.Getpid()}
}

// newSlog returns a slog.Logger whose lines look like those of logger.
func newSlog(logger log.Logger) *slog.Logger { return slog.New(slogHandler{logger: logger}) }

// A slogHandler passes records to a go-kit logger, which adds the time itself.
type slogHandler struct {
	logger log.Logger
	prefix string // prefix of keys: the open groups, each with a dot
	pairs  []any  // of WithAttrs: keys and values
}

// Enabled implements slog.Handler. The logger itself drops messages below its level.
func (h slogHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (h slogHandler) Handle(_ context.Context, record slog.Record) error {
	pairs := append([]any{"msg", record.Message}, h.pairs...)
	record.Attrs(func(a slog.Attr) bool {
		pairs = append(pairs, h.prefix+a.Key, a.Value.Resolve().Any())
		return true
	})
	return h.leveled(record.Level).Log(pairs...)
}

// atLevel returns a logger with a fixed level: debug, info, warn or error.
func (h slogHandler) atLevel(name string) log.Logger {
	var l slog.Level
	if l.UnmarshalText([]byte(name)) != nil {
		return nil
	}
	return h.leveled(l)
}

func (h slogHandler) leveled(l slog.Level) log.Logger {
	switch {
	case l < slog.LevelInfo:
		return level.Debug(h.logger)
	case l < slog.LevelWarn:
		return level.Info(h.logger)
	case l < slog.LevelError:
		return level.Warn(h.logger)
	}
	return level.Error(h.logger)
}

// WithAttrs implements slog.Handler.
func (h slogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.pairs = slices.Clone(h.pairs)
	for _, a := range attrs {
		h.pairs = append(h.pairs, h.prefix+a.Key, a.Value.Resolve().Any())
	}
	return h
}

// WithGroup implements slog.Handler.
func (h slogHandler) WithGroup(name string) slog.Handler {
	h.prefix += name + "."
	return h
}
