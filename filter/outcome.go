package filter

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-portico/portico/filter/address"
)

// outcome is everything placeholders, logs and metrics say about a request.
type outcome struct {
	action  action
	verdict verdict   // what blocked it, or was detected first
	also    []verdict // what else was detected
	counted bool
}

// blocked makes v the outcome; what was detected before it is told beside it.
func (x *inspection) blocked(v verdict) {
	o := &x.outcome
	if o.action == actionDetect {
		o.also = append([]verdict{o.verdict}, o.also...)
	}
	o.action, o.verdict = actionBlock, v
}

// publish makes the outcome visible to other handlers. A request of which there
// is nothing to say has nothing of its own.
func (x *inspection) publish() {
	repl, ok := x.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	if x.outcome.action == actionPass && x.score == 0 && len(x.tags) == 0 {
		repl.Map(passed)
		return
	}
	// Set values are found before mapped ones, so that a second request_filter
	// that passes the request does not hide what the first one found.
	repl.Set(placeholderPrefix+"action", x.outcome.action.String())
	repl.Set(placeholderPrefix+"reason", x.outcome.verdict.reason.String())
	repl.Set(placeholderPrefix+"rule", x.outcome.verdict.rule)
	repl.Set(placeholderPrefix+"score", strconv.Itoa(x.score))
	repl.Set(placeholderPrefix+"tags", strings.Join(x.tags, ","))
}

const placeholderPrefix = "http.request_filter."

// passed has the placeholders of a request of which there is nothing to say.
func passed(key string) (any, bool) {
	name, ok := strings.CutPrefix(key, placeholderPrefix)
	if !ok {
		return nil, false
	}
	switch name {
	case "action":
		return actionPass.String(), true
	case "score":
		return "0", true
	case "reason", "rule", "tags":
		return "", true
	}
	return nil, false
}

// mapPlace makes known where the client is, to rules, rates and whatever comes
// after them. Nothing is looked up unless it is asked for.
func (x *inspection) mapPlace() {
	repl, ok := x.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	databases, client := x.h.located, x.client
	repl.Map(func(key string) (any, bool) {
		switch key {
		case placeholderPrefix + "country":
			return databases.Lookup(client).Country.String(), true
		case placeholderPrefix + "asn":
			if asn := databases.Lookup(client).ASN; asn != 0 {
				return strconv.FormatUint(uint64(asn), 10), true
			}
			return "", true
		}
		return nil, false
	})
}

// report counts and logs the request, once.
func (x *inspection) report() {
	o := &x.outcome
	if o.counted {
		return
	}
	o.counted = true
	requestsSeen[o.action][o.verdict.reason].Inc()
	if o.action == actionPass {
		return
	}
	if extra, ok := x.r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Set(zap.Object("request_filter", x))
	}
	message := "request detected"
	if o.action == actionBlock {
		message = "request blocked"
		x.h.app.blocked(address.Client(x.client), o.verdict.reason)
	}
	if c := x.h.log.Check(zapcore.InfoLevel, message); c != nil {
		c.Write(x.fields()...)
	}
}

// maxLogged bounds what a client can write into a line of the log.
const maxLogged = 2048

// fields are those of the log event: what Caddy's access log has of a request
// too, and nothing that it hides (cookies, Authorization).
func (x *inspection) fields() []zap.Field {
	v := x.outcome.verdict
	status, answer := x.h.answerTo(v)
	uri, userAgent := x.r.RequestURI, x.r.UserAgent()
	return []zap.Field{
		zap.Stringer("client_ip", x.client),
		zap.String("reason", v.reason.String()),
		zap.String("rule", v.rule),
		zap.String("error", v.Error()),
		zap.Int("status", status),
		zap.Stringer("mode", v.mode),
		zap.String("answer", answer),
		zap.Int("score", x.score),
		zap.Strings("tags", x.tags),
		zap.Array("also", verdicts(x.outcome.also)),
		zap.String("method", x.r.Method),
		zap.String("host", x.r.Host),
		zap.String("uri", uri[:min(len(uri), maxLogged)]),
		zap.String("user_agent", userAgent[:min(len(userAgent), maxLogged)]),
	}
}

// MarshalLogObject implements zapcore.ObjectMarshaler: the placeholders as a
// field of the access log.
func (x *inspection) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("action", x.outcome.action.String())
	enc.AddString("reason", x.outcome.verdict.reason.String())
	enc.AddString("rule", x.outcome.verdict.rule)
	enc.AddInt("score", x.score)
	if len(x.tags) > 0 {
		enc.AddString("tags", strings.Join(x.tags, ","))
	}
	return nil
}

// verdicts are logged as words such as "probe vcs".
type verdicts []verdict

// MarshalLogArray implements zapcore.ArrayMarshaler.
func (vs verdicts) MarshalLogArray(enc zapcore.ArrayEncoder) error {
	for _, v := range vs {
		enc.AppendString(strings.TrimSpace(v.reason.String() + " " + v.rule))
	}
	return nil
}
