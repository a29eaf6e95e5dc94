package filter

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// expectWord reports a value that is none of the words; an empty one of them is
// not named.
func expectWord(value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	if words[0] == "" {
		words = words[1:]
	}
	return fmt.Errorf("unknown value '%s': expected %s", value, strings.Join(words, ", "))
}

// word parses one of some words.
func (l optionLine) word(to *string, words ...string) error {
	if !l.Args(to) {
		return errArgumentCount
	}
	return expectWord(*to, words...)
}

// words parses one word or more.
func (l optionLine) words(to *[]string) error {
	words := l.RemainingArgs()
	if len(words) == 0 {
		return errArgumentCount
	}
	*to = append(*to, words...)
	return nil
}

// duration parses a duration above zero.
func (l optionLine) duration(to *caddy.Duration) error {
	var word string
	if !l.Args(&word) {
		return errArgumentCount
	}
	d, err := caddy.ParseDuration(word)
	switch {
	case err != nil:
		return fmt.Errorf("bad duration '%s': %w", word, err)
	case d <= 0:
		return fmt.Errorf("bad duration '%s': must be positive", word)
	}
	*to = caddy.Duration(d)
	return nil
}

// count parses a whole number of at least 1.
func (l optionLine) count(to *int) error {
	var word string
	if !l.Args(&word) {
		return errArgumentCount
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return fmt.Errorf("'%s' is not a whole number of 1 or more", word)
	}
	*to = n
	return nil
}

// limit parses a number, or a size, or "off" for 0.
func (l optionLine) limit(to **int64, size bool) error {
	var word string
	if !l.Args(&word) {
		return errArgumentCount
	}
	*to = new(int64)
	if word == wordOff {
		return nil
	}
	if size {
		n, err := humanize.ParseBytes(word)
		if err != nil || n == 0 || n > math.MaxInt64 {
			return fmt.Errorf("bad size '%s'", word)
		}
		**to = int64(n)
		return nil
	}
	n, err := strconv.ParseInt(word, 10, 32)
	if err != nil || n < 1 {
		return fmt.Errorf("'%s' is not a whole number of 1 or more, or off", word)
	}
	**to = n
	return nil
}

// parseAddresses parses <ranges|@list...>, country <code...>, asn <number...> or all.
func (h *Handler) parseAddresses(l optionLine, to **AddressOptions) error {
	option, at := l.Val(), caddyfile.NewDispenser([]caddyfile.Token{l.Token()})
	at.Next() // the place of mistakes that show only later
	words := l.RemainingArgs()
	if len(words) == 0 {
		return errArgumentCount
	}
	var line AddressOptions // by itself, so that a mistake is found in its line
	switch words[0] {
	case "country":
		line.Countries = words[1:]
	case "asn":
		line.ASNs = words[1:]
	case "all":
		if line.All = true; len(words) > 1 {
			return errArgumentCount
		}
	default:
		line.Ranges = words
	}
	if err := line.validate(option == "allow"); err != nil {
		return err
	}
	lists, _ := line.split()
	for _, name := range lists {
		h.caddyfile.uses = append(h.caddyfile.uses, use{option, "ip_list", name, at})
	}
	if len(line.Countries)+len(line.ASNs) > 0 {
		h.caddyfile.uses = append(h.caddyfile.uses, use{option, "geoip", words[0], at})
	}
	if *to == nil {
		*to = new(AddressOptions)
	}
	o := *to
	o.Ranges = append(o.Ranges, line.Ranges...)
	o.Countries = append(o.Countries, line.Countries...)
	o.ASNs = append(o.ASNs, line.ASNs...)
	o.All = o.All || line.All
	return nil
}

func (h *Handler) parseLimits(l optionLine) error {
	h.Limits = new(LimitOptions)
	o := h.Limits
	if l.NextArg() {
		o.Mode = l.Val()
		return expectWord(o.Mode, wordOff)
	}
	return l.block(map[string]func(optionLine) error{
		"mode":        func(l optionLine) error { return l.word(&o.Mode, wordBlock, wordDetect) },
		"uri":         func(l optionLine) error { return l.limit(&o.URI, true) },
		"headers":     func(l optionLine) error { return l.limit(&o.Headers, false) },
		"header_size": func(l optionLine) error { return l.limit(&o.HeaderSize, true) },
		"args":        func(l optionLine) error { return l.limit(&o.Args, false) },
		"body":        func(l optionLine) error { return l.limit(&o.Body, true) },
		"json_depth":  func(l optionLine) error { return l.limit(&o.JSONDepth, false) },
	})
}

func (h *Handler) parseHoneypot(l optionLine) error {
	if err := l.words(&h.Honeypot); err != nil {
		return err
	}
	return validatePaths(h.Honeypot)
}

func (h *Handler) parseBots(l optionLine) error {
	if h.Bots == nil {
		h.Bots = new(BotOptions)
	}
	o := h.Bots
	if !l.NextArg() {
		return l.block(map[string]func(optionLine) error{
			"deny":  func(l optionLine) error { return o.parse("deny", l) },
			"allow": func(l optionLine) error { return o.parse("allow", l) },
			"mode":  func(l optionLine) error { return o.parse("mode", l) },
		})
	}
	return o.parse(l.Val(), l)
}

func (o *BotOptions) parse(option string, l optionLine) error {
	var err error
	switch option {
	case "deny":
		err = l.words(&o.Deny)
	case "allow":
		err = l.words(&o.Allow)
	case "mode":
		err = l.word(&o.Mode, wordBlock, wordDetect)
	case wordOff:
		o.Mode = wordOff
	default:
		return fmt.Errorf("unknown option '%s': expected deny, allow, mode or off", option)
	}
	if err != nil {
		return err
	}
	return o.validate()
}

func (h *Handler) parseThreshold(l optionLine) error {
	h.Threshold = new(int)
	return l.count(h.Threshold)
}

func (h *Handler) parseBan(l optionLine) error {
	h.Ban = new(BanOptions)
	o := h.Ban
	if err := l.block(map[string]func(optionLine) error{"after": o.parseAfter, "for": o.parseFor}); err != nil {
		return err
	}
	switch {
	case o.After == 0:
		return errors.New("after: is missing")
	case o.For == 0:
		return errors.New("for: is missing")
	}
	return o.validate()
}

// parseAfter parses <n> in <duration>.
func (o *BanOptions) parseAfter(l optionLine) error {
	if err := l.count(&o.After); err != nil {
		return err
	}
	if !l.NextArg() || l.Val() != "in" {
		return errors.New("expected <n> in <duration>")
	}
	return l.duration(&o.Within)
}

// parseFor parses <duration> [up to <duration>].
func (o *BanOptions) parseFor(l optionLine) error {
	if err := l.duration(&o.For); err != nil {
		return err
	}
	if !l.NextArg() {
		return nil
	}
	if l.Val() != "up" || !l.NextArg() || l.Val() != "to" {
		return errors.New("expected <duration> up to <duration>")
	}
	return l.duration(&o.UpTo)
}

func (h *Handler) parseRespond(l optionLine) error {
	args := l.RemainingArgs()
	if len(args) == 0 || len(args) > 2 {
		return errArgumentCount
	}
	status, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("bad status '%s'", args[0])
	}
	h.Respond = &RespondOptions{Status: status}
	if len(args) == 2 {
		h.Respond.Body = args[1]
	}
	if err := h.Respond.validate(); err != nil {
		return err
	}
	return h.validateAnswer()
}

func (h *Handler) parseTarpit(l optionLine) error {
	if err := l.duration(&h.Tarpit); err != nil {
		return err
	}
	return h.validateAnswer()
}
