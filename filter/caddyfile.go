package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// handlerCaddyfile is what only the parser of request_filter needs.
type handlerCaddyfile struct {
	matches []pendingMatch
	uses    []use
}

// A use is of something that the global option defines.
type use struct {
	option, kind, name string
	line               *caddyfile.Dispenser
}

// A pendingMatch is a line whose matcher may be defined elsewhere in the site.
type pendingMatch struct {
	option string // what it belongs to
	line   *caddyfile.Dispenser
	to     *caddyhttp.RawMatcherSets
}

// handlerOptions are the subdirectives of request_filter. Each parses the
// arguments (and block) of one; what it returns is reported with file, line and
// name.
var handlerOptions = map[string]func(*Handler, optionLine) error{
	"mode":      func(h *Handler, l optionLine) error { return l.word(&h.Mode, wordBlock, wordDetect) },
	"allow":     func(h *Handler, l optionLine) error { return h.parseAddresses(l, &h.Allow) },
	"deny":      func(h *Handler, l optionLine) error { return h.parseAddresses(l, &h.Deny) },
	"limits":    (*Handler).parseLimits,
	"framing":   func(h *Handler, l optionLine) error { return l.word(&h.Framing, wordStrict, wordDetect, wordOff) },
	"path":      func(h *Handler, l optionLine) error { return l.word(&h.Path, wordStrict, wordDetect, wordOff) },
	"probes":    func(h *Handler, l optionLine) error { return l.word(&h.Probes, wordOn, wordDetect, wordOff) },
	"honeypot":  (*Handler).parseHoneypot,
	"bots":      (*Handler).parseBots,
	"rule":      (*Handler).parseRule,
	"threshold": (*Handler).parseThreshold,
	"rate":      (*Handler).parseRate,
	"ban":       (*Handler).parseBan,
	"respond":   (*Handler).parseRespond,
	"drop":      func(h *Handler, _ optionLine) error { h.Drop = true; return h.validateAnswer() },
	"tarpit":    (*Handler).parseTarpit,
}

// repeatableOptions may stand more than once; each adds to the others.
var repeatableOptions = map[string]bool{"allow": true, "deny": true, "honeypot": true, "bots": true, "rule": true, "rate": true}

// ParseCaddyfile sets up the handler of a request_filter directive.
func ParseCaddyfile(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h := new(Handler)
	if err := h.UnmarshalCaddyfile(helper.Dispenser); err != nil {
		return nil, err
	}
	for _, m := range h.caddyfile.matches {
		if err := m.resolve(helper); err != nil {
			return nil, err
		}
	}
	for _, u := range h.caddyfile.uses {
		if err := u.check(helper); err != nil {
			return nil, err
		}
	}
	h.caddyfile = handlerCaddyfile{}
	return h, nil
}

// UnmarshalCaddyfile sets up the handler from tokens:
//
//	request_filter [<matcher>] {
//		mode block|detect
//		allow <ranges|@list...> | country <code...> | asn <number...>
//		deny <ranges|@list...> | country <code...> | asn <number...> | all
//		limits off | {
//			mode block|detect
//			uri <size>|off
//			headers <n>|off
//			header_size <size>|off
//			args <n>|off
//			body <size>|off
//			json_depth <n>|off
//		}
//		framing strict|detect|off
//		path strict|detect|off
//		probes on|detect|off
//		honeypot <path...>
//		bots deny|allow <group...> | mode block|detect | off
//		rule <name> {
//			match <matcher>
//			action block [<status>] | tag | score <n>
//			mode block|detect
//		}
//		threshold <n>
//		rate <name> {
//			key <{placeholder}...>
//			limit <n>/<duration>
//			burst <n>
//			match <matcher>
//			mode block|detect
//		}
//		ban {
//			after <n> in <duration>
//			for <duration> [up to <duration>]
//		}
//		respond <status> [<body>]
//		drop
//		tarpit <duration>
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // request_filter
	return parseOptions(d, h, handlerOptions, repeatableOptions)
}

// parseOptions parses the block of a directive or global option named
// request_filter, whose name has been read, by a table of its options. Each may
// stand once, but for those that again has.
func parseOptions[T any](d *caddyfile.Dispenser, to T, options map[string]func(T, optionLine) error, again map[string]bool) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		l := optionLine{d}
		name := l.Val()
		parse, ok := options[name]
		switch {
		case !ok:
			return l.Errf("request_filter: unrecognized subdirective '%s'", name)
		case seen[name] && !again[name]:
			return l.Errf("request_filter: %s: %v", name, errTwice)
		}
		seen[name] = true
		if err := parse(to, l); err != nil {
			return l.located("request_filter: "+name, err)
		}
		if l.NextArg() {
			return l.Errf("request_filter: %s: unexpected argument '%s'", name, l.Val())
		}
		if l.NextBlock(l.Nesting()) {
			return l.Errf("request_filter: %s: takes no block", name)
		}
	}
	return nil
}

// resolve makes a matcher set of the line: an expression, the name of a matcher of
// the site, a path, or a matcher of any kind with its arguments or as a block.
func (m pendingMatch) resolve(helper httpcaddyfile.Helper) error {
	l := optionLine{m.line}
	l.Next() // match
	set, err := m.parse(l, helper)
	if err == nil && set == nil {
		err = errors.New("expected an expression in backticks, @name, a path or a matcher")
	}
	if err == nil && l.NextArg() {
		err = fmt.Errorf("unexpected argument '%s'", l.Val())
	}
	if err != nil {
		return l.located("request_filter: "+m.option+": match", err)
	}
	*m.to = append(*m.to, set)
	return nil
}

func (m pendingMatch) parse(l optionLine, helper httpcaddyfile.Helper) (caddy.ModuleMap, error) {
	if l.NextArg() {
		name := !l.Token().Quoted() && strings.ContainsAny(l.Val()[:min(1, len(l.Val()))], "@/*")
		l.Prev()
		if name {
			set, _, err := helper.WithDispenser(l.Dispenser).MatcherToken()
			if err == nil && set == nil { // "*"
				set = caddy.ModuleMap{}
			}
			return set, err
		}
	}
	set, err := caddyhttp.ParseCaddyfileNestedMatcherSet(l.Dispenser)
	if len(set) == 0 {
		set = nil
	}
	return set, err
}

// check holds that the global option defines what is used. Provision would find
// that too, but not say in which line.
func (u use) check(helper httpcaddyfile.Helper) error {
	var app App
	if option, ok := helper.Option("request_filter").(httpcaddyfile.App); ok {
		if err := json.Unmarshal(option.Value, &app); err != nil {
			return err
		}
	}
	switch {
	case u.kind == "ip_list" && app.IPLists[u.name] == nil:
		return u.line.Errf("request_filter: %s: no ip_list named '%s' in the global option request_filter", u.option, u.name)
	case u.kind == "geoip" && len(app.GeoIP) == 0:
		return u.line.Errf("request_filter: %s: %s needs a database: geoip in the global option request_filter", u.option, u.name)
	}
	return nil
}

// An optionLine is a Dispenser at the name of an option, with the arguments that
// options have.
type optionLine struct{ *caddyfile.Dispenser }

var (
	errArgumentCount = errors.New("wrong number of arguments")
	errTwice         = errors.New("given more than once")
)

// located says which option an error is about, and where, unless it does
// already.
func (l optionLine) located(option string, err error) error {
	err = fmt.Errorf("%s: %w", option, err)
	if strings.Contains(err.Error(), fmt.Sprintf(", at %s:", l.File())) {
		return err
	}
	return l.WrapErr(err)
}

// block parses the options of a block by their table; each may stand once but for
// `match`.
func (l optionLine) block(options map[string]func(optionLine) error) error {
	seen := make(map[string]bool)
	for nesting := l.Nesting(); l.NextBlock(nesting); {
		name := l.Val()
		parse, ok := options[name]
		switch {
		case !ok:
			return fmt.Errorf("unrecognized option '%s'", name)
		case seen[name] && name != "match":
			return fmt.Errorf("%s: %w", name, errTwice)
		}
		seen[name] = true
		if err := parse(l); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if l.NextArg() {
			return fmt.Errorf("%s: unexpected argument '%s'", name, l.Val())
		}
	}
	if len(seen) == 0 {
		return errors.New("no option given")
	}
	return nil
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Handler)(nil)
