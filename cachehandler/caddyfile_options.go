package cachehandler

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

func parseWords(d *caddyfile.Dispenser, to *[]string) error {
	words := d.RemainingArgs()
	if len(words) == 0 {
		return errArguments
	}
	*to = append(*to, words...)
	return nil
}

// parseFields parses names of fields.
func parseFields(d *caddyfile.Dispenser, to *[]string) error {
	if err := parseWords(d, to); err != nil {
		return err
	}
	return validateNames(*to)
}

func parseChoice(d *caddyfile.Dispenser, to *string, choices ...string) error {
	if !d.Args(to) {
		return errArguments
	}
	if !slices.Contains(choices, *to) {
		return fmt.Errorf("unknown value '%s': expected %s", *to, strings.Join(choices, ", "))
	}
	return nil
}

func parseDuration(d *caddyfile.Dispenser, to *caddy.Duration) error {
	var word string
	if !d.Args(&word) {
		return errArguments
	}
	return setDuration(word, to)
}

func setDuration(word string, to *caddy.Duration) error {
	duration, err := caddy.ParseDuration(word)
	if err != nil {
		return fmt.Errorf("bad duration '%s': %w", word, err)
	}
	if duration < 0 {
		return fmt.Errorf("bad duration '%s': must not be negative", word)
	}
	*to = caddy.Duration(duration)
	return nil
}

// setPositive is setDuration where 0 would mean something else than it says.
func setPositive(word string, to *caddy.Duration) error {
	if err := setDuration(word, to); err != nil {
		return err
	}
	if *to == 0 {
		return fmt.Errorf("bad duration '%s': must be positive", word)
	}
	return nil
}

func parseSize(d *caddyfile.Dispenser, to *int64) error {
	var word string
	if !d.Args(&word) {
		return errArguments
	}
	size, err := humanize.ParseBytes(word)
	if err != nil || size == 0 || size > math.MaxInt64 {
		return fmt.Errorf("bad size '%s'", word)
	}
	*to = int64(size)
	return nil
}

// parseSwitch parses "on" or "off".
func parseSwitch(d *caddyfile.Dispenser, to **bool) error {
	if *to != nil {
		return errRepeated
	}
	var word string
	if err := parseChoice(d, &word, "on", "off"); err != nil {
		return err
	}
	on := word == "on"
	*to = &on
	return nil
}

// parseLifetime parses [<status...>] <duration>.
func parseLifetime(d *caddyfile.Dispenser, to *[]Lifetime) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return errArguments
	}
	var l Lifetime
	last := len(args) - 1
	for _, word := range args[:last] {
		class, isClass := strings.CutSuffix(word, "xx")
		status, err := strconv.Atoi(class)
		if err != nil || !isStatus(status) || isClass != (status < 10) {
			return fmt.Errorf("bad status '%s'", word)
		}
		l.Status = append(l.Status, status)
	}
	if err := setDuration(args[last], &l.For); err != nil {
		return err
	}
	*to = append(*to, l)
	return nil
}

func (h *Handler) parseName(d *caddyfile.Dispenser) error {
	if !d.Args(&h.Name) {
		return errArguments
	}
	if !isToken(h.Name) {
		return fmt.Errorf("'%s' is not a token", h.Name)
	}
	return nil
}

func (h *Handler) parseHeuristic(d *caddyfile.Dispenser) error {
	h.Heuristic = new(Heuristic)
	args := d.RemainingArgs()
	switch {
	case len(args) == 0 || len(args) > 2:
		return errArguments
	case args[0] == "off" && len(args) == 1:
		h.Heuristic.Off = true
		return nil
	}
	percent, err := strconv.Atoi(strings.TrimSuffix(args[0], "%"))
	if err != nil || percent < 1 || percent > 100 {
		return fmt.Errorf("bad percentage '%s': expected 1 to 100, or off", args[0])
	}
	h.Heuristic.Percent = percent
	if len(args) == 2 {
		return setPositive(args[1], &h.Heuristic.Max)
	}
	return nil
}

func (h *Handler) parseMaxTTL(d *caddyfile.Dispenser) error {
	var word string
	if !d.Args(&word) {
		return errArguments
	}
	return setPositive(word, &h.MaxTTL)
}

func (h *Handler) parseStaleIfError(d *caddyfile.Dispenser) error {
	var word string
	if !d.Args(&word) {
		return errArguments
	}
	h.StaleIfError = new(caddy.Duration)
	if word == "off" {
		return nil
	}
	return setDuration(word, h.StaleIfError)
}

func (h *Handler) parseTags(d *caddyfile.Dispenser) error {
	if err := parseWords(d, &h.Tags); err != nil {
		return err
	}
	return validateTags(h.Tags)
}

func (h *Handler) parseVary(d *caddyfile.Dispenser) error {
	if h.Vary == nil {
		h.Vary = new(VaryOptions)
	}
	var option string
	if !d.Args(&option) {
		return errArguments
	}
	switch option {
	case "normalise":
		return parseFields(d, &h.Vary.Normalise)
	case "ignore":
		return parseFields(d, &h.Vary.Ignore)
	case "max":
		if h.Vary.Max != 0 {
			return errRepeated
		}
		return parseCount(d, &h.Vary.Max)
	}
	return fmt.Errorf("unknown option '%s': expected normalise, ignore or max", option)
}

func parseCount(d *caddyfile.Dispenser, to *int) error {
	var word string
	if !d.Args(&word) {
		return errArguments
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 {
		return fmt.Errorf("bad number '%s'", word)
	}
	*to = n
	return nil
}

func (h *Handler) parseCollapse(d *caddyfile.Dispenser) error {
	h.Collapse = new(CollapseOptions)
	var option string
	if !d.Args(&option) {
		return errArguments
	}
	switch option {
	case "off":
		h.Collapse.Off = true
		return nil
	case "wait":
		var word string
		if !d.Args(&word) {
			return errArguments
		}
		return setPositive(word, &h.Collapse.Wait)
	}
	return fmt.Errorf("unknown option '%s': expected off or wait", option)
}

func (h *Handler) parseQueryMethod(d *caddyfile.Dispenser) error {
	h.QueryMethod = new(QueryMethodOptions)
	var option string
	if !d.Args(&option) {
		return errArguments
	}
	switch option {
	case "off":
		h.QueryMethod.Off = true
		return nil
	case "max_content":
		return parseSize(d, &h.QueryMethod.MaxContent)
	}
	return fmt.Errorf("unknown option '%s': expected off or max_content", option)
}

// parseStore keeps the line: the stores are defined in the global option.
func (h *Handler) parseStore(d *caddyfile.Dispenser) error {
	h.caddyfile.store = d.NewFromNextSegment()
	return nil
}

// parseBypass keeps the line: its matcher is defined elsewhere in the site.
func (h *Handler) parseBypass(d *caddyfile.Dispenser) error {
	h.caddyfile.bypass = append(h.caddyfile.bypass, d.NewFromNextSegment())
	return nil
}

// parseSkipStore keeps the line: its matcher may be defined further down.
func (h *Handler) parseSkipStore(d *caddyfile.Dispenser) error {
	h.caddyfile.skip = d.NewFromNextSegment()
	return nil
}

// keyOptions are the options of the key block.
var keyOptions = map[string]func(*KeyOptions, *caddyfile.Dispenser) error{
	"scheme": func(o *KeyOptions, d *caddyfile.Dispenser) error { return parseSwitch(d, &o.Scheme) },
	"host":   func(o *KeyOptions, d *caddyfile.Dispenser) error { return parseSwitch(d, &o.Host) },
	"query":  (*KeyOptions).parseQuery,
	"header": func(o *KeyOptions, d *caddyfile.Dispenser) error { return parseWords(d, &o.Header) },
	"cookie": func(o *KeyOptions, d *caddyfile.Dispenser) error { return parseWords(d, &o.Cookie) },
	"no_vary_search": func(o *KeyOptions, d *caddyfile.Dispenser) error {
		return parseSwitch(d, &o.NoVarySearch)
	},
	"placeholder": func(o *KeyOptions, d *caddyfile.Dispenser) error { return parseWords(d, &o.Placeholder) },
}

func (h *Handler) parseKey(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return fmt.Errorf("unexpected argument '%s'", d.Val())
	}
	h.Key = new(KeyOptions)
	options := 0
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		parse, ok := keyOptions[name]
		if !ok {
			return fmt.Errorf("unrecognized option '%s'", name)
		}
		if err := parse(h.Key, d); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if d.NextArg() {
			return fmt.Errorf("%s: unexpected argument '%s'", name, d.Val())
		}
		if err := h.Key.validate(); err != nil {
			return err
		}
		options++
	}
	if options == 0 {
		return errors.New("no option given")
	}
	return nil
}

func (o *KeyOptions) parseQuery(d *caddyfile.Dispenser) error {
	if o.Query == nil {
		o.Query = new(QueryOptions)
	}
	var option string
	if !d.Args(&option) {
		return errArguments
	}
	switch option {
	case "keep":
		return parseWords(d, &o.Query.Keep)
	case "drop":
		return parseWords(d, &o.Query.Drop)
	case "sort":
		o.Query.Sort = true
		return nil
	case "ignore":
		o.Query.Ignore = true
		return nil
	}
	return fmt.Errorf("unknown option '%s': expected keep, drop, sort or ignore", option)
}
