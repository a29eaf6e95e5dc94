package filter

import "net/http"

// A reason is why a request is blocked or detected: a metric label, a log field
// and a placeholder. The set is closed; which rule, limit or list it was is
// verdict.rule.
type reason uint8

const (
	reasonNone     reason = iota
	reasonBanned          // the client is banned
	reasonAddress         // its address, country or network is denied
	reasonLimit           // too long, too large, too many, too deep
	reasonFraming         // where the request ends, or what follows it, is ambiguous
	reasonPath            // the target may be read in two ways
	reasonHoneypot        // a path that nobody is told of
	reasonProbe           // a path that only scanners ask for
	reasonBot             // a crawler that is denied
	reasonRule            // a rule of the administrator's
	reasonRate            // too often
	reasonScore           // the scores of several rules together

	reasons = iota
)

// reasonFacts has for each reason its word, what it is answered with, and what
// else comes of it.
var reasonFacts = [reasons]struct {
	name, text string
	status     int
	denial     bool // respond, drop and tarpit replace the answer
	strike     bool // counts towards a ban
}{
	reasonNone:     {"", "", 0, false, false},
	reasonBanned:   {"banned", "the client is banned", http.StatusForbidden, true, false},
	reasonAddress:  {"address", "the client's address is denied", http.StatusForbidden, true, false},
	reasonLimit:    {"limit", "the request exceeds a limit", http.StatusBadRequest, false, false},
	reasonFraming:  {"framing", "the request is ambiguous", http.StatusBadRequest, false, true},
	reasonPath:     {"path", "the request target is ambiguous", http.StatusBadRequest, false, true},
	reasonHoneypot: {"honeypot", "the path is a trap", http.StatusNotFound, false, false},
	reasonProbe:    {"probe", "the path is one that scanners ask for", http.StatusNotFound, false, true},
	reasonBot:      {"bot", "the crawler is denied", http.StatusForbidden, true, true},
	reasonRule:     {"rule", "a rule denies the request", http.StatusForbidden, true, true},
	reasonRate:     {"rate", "too many requests", http.StatusTooManyRequests, false, true},
	reasonScore:    {"score", "the score of the request is too high", http.StatusForbidden, true, true},
}

// String is the reason as one word; "" for none.
func (r reason) String() string { return reasonFacts[r].name }

// text is the reason as a sentence without a stop.
func (r reason) text() string { return reasonFacts[r].text }

// An action is what became of a request.
type action uint8

const (
	actionPass action = iota
	actionDetect
	actionBlock

	actions = iota
)

// String is the action as one word.
func (a action) String() string { return [actions]string{"pass", "detect", "block"}[a] }

// A mode says what is done with a verdict.
type mode uint8

const (
	block mode = iota
	detect
)

// String is the mode as configurations have it.
func (m mode) String() string { return [...]string{"block", "detect"}[m] }

// A verdict is what a step says of a request. The zero value says nothing.
type verdict struct {
	reason reason
	mode   mode
	rule   string // which rule, rate, limit, defect, category or group it was
	text   string // a sentence without a stop; empty: that of the reason
	status int    // 0: that of the reason
	own    bool   // the status was chosen for this very rule: nothing replaces it
	free   bool   // it is no strike, though others of the reason are
}

func (v verdict) code() int {
	if v.status != 0 {
		return v.status
	}
	return reasonFacts[v.reason].status
}

func (v verdict) denial() bool { return reasonFacts[v.reason].denial && !v.own }

func (v verdict) strike() bool { return reasonFacts[v.reason].strike && !v.free }

// Error makes a verdict the error that goes up to Caddy: `{http.error.message}`.
func (v verdict) Error() string {
	text := v.text
	if text == "" {
		text = v.reason.text()
	}
	if v.rule == "" {
		return "request_filter: " + v.reason.String() + ": " + text
	}
	return "request_filter: " + v.reason.String() + " " + v.rule + ": " + text
}
