package cachehandler

import (
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// result is what became of a request, in one of the words of the package
// comment.
type result uint8

const (
	resultPass result = iota
	resultBypass
	resultHit
	resultStale
	resultRevalidated
	resultMiss
	resultCollapsed
	results // how many there are
)

func (r result) String() string {
	return [...]string{"pass", "bypass", "hit", "stale", "revalidated", "miss", "collapsed"}[r]
}

// outcome is everything Cache-Status, placeholders, the access log and the
// metrics say about a request.
type outcome struct {
	result    result
	reason    httpcache.Reason
	fwd       httpcache.Reason // why the origin was asked; None if it was not
	fwdStatus int              // what it answered; 0 for nothing, or unknown
	expired   bool             // what the request selected was stale
	stored    bool
	hasAge    bool // age and ttl are those of the object delivered
	age, ttl  time.Duration
	tier      string
}

// publish makes the outcome visible to other handlers, logs and metrics. It is
// called once, before the first byte of the answer.
func (x *exchange) publish() {
	x.h.metrics.count(x.outcome.result)
	if repl, ok := x.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Map(x.placeholders())
	}
	if x.logged() {
		if extra, ok := x.r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
			extra.Set(zap.Object("response_cache", &x.outcome))
		}
	}
}

// logged reports whether the server writes access logs at all: without, the
// fields would be work for nobody.
func (x *exchange) logged() bool {
	server, ok := x.r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	return !ok || server == nil || server.Logs != nil
}

const placeholderPrefix = "http.response_cache."

// passes are the placeholders of passed requests, one for each reason: they
// are all that is to be said of such a request, so it need not keep its own.
var passes = func() (all [256]caddy.ReplacerFunc) {
	for why := range all {
		o := &outcome{reason: httpcache.Reason(why)}
		if o.reason == httpcache.Bypassed {
			o.result = resultBypass
		}
		all[why] = o.placeholder
	}
	return all
}()

func (x *exchange) placeholders() caddy.ReplacerFunc {
	if x.outcome.result <= resultBypass {
		return passes[x.outcome.reason]
	}
	return x.outcome.placeholder
}

// placeholder implements caddy.ReplacerFunc.
func (o *outcome) placeholder(key string) (any, bool) {
	name, ok := strings.CutPrefix(key, placeholderPrefix)
	if !ok {
		return nil, false
	}
	switch name {
	case "status":
		return o.result.String(), true
	case "reason":
		return o.reason.String(), true
	case "age":
		return o.seconds(o.age), true
	case "ttl":
		return o.seconds(o.ttl), true
	case "tier":
		return o.tier, true
	}
	return nil, false
}

func (o *outcome) seconds(d time.Duration) string {
	if !o.hasAge {
		return ""
	}
	return strconv.FormatInt(seconds(d), 10)
}

// MarshalLogObject implements zapcore.ObjectMarshaler: the placeholders as
// fields of the access log.
func (o *outcome) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("status", o.result.String())
	enc.AddString("reason", o.reason.String())
	if o.hasAge {
		enc.AddInt64("age", int64(o.age/time.Second))
		enc.AddInt64("ttl", seconds(o.ttl))
	}
	if o.tier != "" {
		enc.AddString("tier", o.tier)
	}
	return nil
}

// fwdToken is the reason the origin was asked as RFC 9211 §2.2 knows it, where
// "request" is for what is fresh.
func (o *outcome) fwdToken() string {
	token := fwdToken(o.fwd)
	if token == "request" && o.expired {
		return "stale"
	}
	return token
}

func fwdToken(why httpcache.Reason) string {
	switch why {
	case httpcache.Method:
		return "method"
	case httpcache.URIMiss, httpcache.PassMemory:
		return "uri-miss"
	case httpcache.VaryMiss:
		return "vary-miss"
	case httpcache.RequestNoCache, httpcache.RequestMaxAge, httpcache.RequestMinFresh,
		httpcache.RequestNoStore, httpcache.Authorization, httpcache.ForOrigin, httpcache.Stream:
		return "request"
	case httpcache.Expired, httpcache.NoCache, httpcache.MustRevalidate:
		return "stale"
	case httpcache.RangeRequest, httpcache.Incomplete:
		return "partial"
	case httpcache.Bypassed, httpcache.Upgrade, httpcache.RequestBody, httpcache.ContentTooLarge, httpcache.KeyTooLong, httpcache.StoreFailed, httpcache.StoreFull:
		return "bypass"
	default:
		return "miss"
	}
}
