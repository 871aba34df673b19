package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"
)

// logOptions are the options of the log.
type logOptions struct {
	level  string // trace, debug, info, warn or error
	format string // text or json
}

func (o *logOptions) flags(cmd *cobra.Command, sh shell) {
	f := cmd.Flags()
	f.StringVar(&o.level, "loglevel", cmp.Or(sh.env("IMAGE_UPDATER_LOGLEVEL"), "info"), "least level that is logged: trace, debug, info, warn or error")
	f.StringVar(&o.format, "logformat", cmp.Or(sh.env("IMAGE_UPDATER_LOGFORMAT"), "text"), "text or json")
}

// levelTrace is below debug, as in the incumbent's logs.
const levelTrace = slog.LevelDebug - 4

func (o logOptions) parse() (slog.Level, error) {
	levels := map[string]slog.Level{
		"trace": levelTrace, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	level, ok := levels[strings.ToLower(o.level)]
	if !ok {
		return 0, fmt.Errorf("--loglevel %q: trace, debug, info, warn or error expected", o.level)
	}
	if o.format != "text" && o.format != "json" {
		return 0, fmt.Errorf("--logformat %q: text or json expected", o.format)
	}
	return level, nil
}

// newLogger logs errors to stderr and all else to out, as users of the
// incumbent collect it.
func (sh shell) newLogger(o logOptions, out io.Writer, tty bool) (*slog.Logger, error) {
	level, err := o.parse()
	if err != nil {
		return nil, err
	}
	handler := func(w io.Writer, tty bool) slog.Handler {
		switch {
		case o.format == "json":
			return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
		case tty && sh.env("NO_COLOR") == "" && sh.env("ENABLE_LOG_COLORS") != "false":
			return tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: "15:04:05"})
		}
		return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
	}
	return slog.New(split{low: handler(out, tty), high: handler(sh.err, sh.errTTY)}), nil
}

// split sends errors to one handler and the rest to another.
type split struct{ low, high slog.Handler }

func (s split) of(l slog.Level) slog.Handler {
	if l >= slog.LevelError {
		return s.high
	}
	return s.low
}

// Enabled implements slog.Handler.
func (s split) Enabled(ctx context.Context, l slog.Level) bool { return s.of(l).Enabled(ctx, l) }

// Handle implements slog.Handler.
func (s split) Handle(ctx context.Context, r slog.Record) error {
	return s.of(r.Level).Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (s split) WithAttrs(attrs []slog.Attr) slog.Handler {
	return split{s.low.WithAttrs(attrs), s.high.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (s split) WithGroup(name string) slog.Handler {
	return split{s.low.WithGroup(name), s.high.WithGroup(name)}
}

// lowered writes everything as a detail.
type lowered struct{ next slog.Handler }

// Enabled implements slog.Handler.
func (l lowered) Enabled(ctx context.Context, _ slog.Level) bool {
	return l.next.Enabled(ctx, slog.LevelDebug)
}

// Handle implements slog.Handler.
func (l lowered) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return l.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l lowered) WithAttrs(attrs []slog.Attr) slog.Handler { return lowered{l.next.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (l lowered) WithGroup(name string) slog.Handler { return lowered{l.next.WithGroup(name)} }
