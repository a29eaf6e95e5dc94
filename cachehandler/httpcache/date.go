package httpcache

import (
	"strings"
	"time"
)

// HTTP-date (RFC 9110 §5.6.7): IMF-fixdate and the two obsolete formats.
//
// Names of days, months and the zone are compared without case; everything
// else has to be as the grammar says, because a date that is not valid has a
// meaning of its own in Expires (RFC 9111 §5.3: already expired). The day of
// the week has to be one, but not the right one.

// parseDate parses an HTTP-date. now decides the century of the two-digit
// years of the RFC 850 format.
func parseDate(s string, now time.Time) (time.Time, bool) {
	s = trimOWS(s)
	switch {
	case len(s) == len("Sun Nov  6 08:49:37 1994") && s[3] == ' ':
		return parseASCTime(s)
	case len(s) == len("Sun, 06 Nov 1994 08:49:37 GMT") && s[3] == ',':
		return parseIMFFixdate(s)
	}
	return parseRFC850(s, now)
}

func parseIMFFixdate(s string) (time.Time, bool) {
	if !isDayName(s[:3], 3) || s[4] != ' ' || s[7] != ' ' || s[11] != ' ' || s[16] != ' ' || !isGMT(s[25:]) {
		return time.Time{}, false
	}
	return assemble(number(s[12:16]), s[8:11], number(s[5:7]), s[17:25])
}

func parseASCTime(s string) (time.Time, bool) {
	if !isDayName(s[:3], 3) || s[7] != ' ' || s[10] != ' ' || s[19] != ' ' {
		return time.Time{}, false
	}
	day := number(s[8:10])
	if s[8] == ' ' {
		day = number(s[9:10])
	}
	return assemble(number(s[20:24]), s[4:7], day, s[11:19])
}

// parseRFC850 parses "Sunday, 06-Nov-94 08:49:37 GMT".
func parseRFC850(s string, now time.Time) (time.Time, bool) {
	day, s, ok := strings.Cut(s, ",")
	if !ok || !isDayName(day, 0) || len(s) != len(" 06-Nov-94 08:49:37 GMT") ||
		s[0] != ' ' || s[3] != '-' || s[7] != '-' || s[10] != ' ' || !isGMT(s[19:]) {
		return time.Time{}, false
	}
	year := number(s[8:10])
	if year < 0 {
		return time.Time{}, false
	}
	// A year that seems to be more than 50 years ahead is one of the past.
	latest := now.UTC().AddDate(50, 0, 0)
	for year += latest.Year()/100*100 + 100; ; year -= 100 {
		t, ok := assemble(year, s[4:7], number(s[1:3]), s[11:19])
		if year < 1 || (ok && !t.After(latest)) || (!ok && year <= latest.Year()) {
			return t, ok
		}
	}
}

// assemble makes the time of its parts; clock is "08:49:37". A negative number
// is none.
func assemble(year int, monthName string, day int, clock string) (time.Time, bool) {
	month := monthOf(monthName)
	if year < 0 || month == 0 || day < 1 || clock[2] != ':' || clock[5] != ':' {
		return time.Time{}, false
	}
	hour, minute, second := number(clock[:2]), number(clock[3:5]), number(clock[6:])
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 {
		return time.Time{}, false
	}
	if lastDay := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day(); day > lastDay {
		return time.Time{}, false
	}
	return time.Date(year, month, day, hour, minute, second, 0, time.UTC), true
}

// number is the value of a string of digits, or -1.
func number(s string) int {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return -1
		}
		n = n*10 + int(s[i]-'0')
	}
	return n
}

// isDayName reports a day's name, or its first n letters if n is not 0.
func isDayName(s string, n int) bool {
	for day := time.Sunday; day <= time.Saturday; day++ {
		name := day.String()
		if n > 0 {
			name = name[:n]
		}
		if strings.EqualFold(s, name) {
			return true
		}
	}
	return false
}

func monthOf(s string) time.Month {
	for month := time.January; month <= time.December; month++ {
		if strings.EqualFold(s, month.String()[:3]) {
			return month
		}
	}
	return 0
}

func isGMT(s string) bool { return len(s) == 4 && s[0] == ' ' && strings.EqualFold(s[1:], "GMT") }
