package httpcache

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestParseDate(t *testing.T) {
	november := time.Date(1994, time.November, 6, 8, 49, 37, 0, time.UTC)
	august := time.Date(2050, time.August, 18, 2, 1, 18, 0, time.UTC)
	tests := []struct {
		name, in string
		want     time.Time // zero: not a date
	}{
		{"9110-5.6.7 IMF-fixdate", "Sun, 06 Nov 1994 08:49:37 GMT", november},
		{"9110-5.6.7 rfc850-date", "Sunday, 06-Nov-94 08:49:37 GMT", november},
		{"9110-5.6.7 asctime-date", "Sun Nov  6 08:49:37 1994", november},
		{"9110-5.6.7 asctime-date, two-digit day", "Sun Nov 06 08:49:37 1994", november},
		{"9110-5.6.7 case of the day", "THU, 18 Aug 2050 02:01:18 GMT", august},
		{"9110-5.6.7 case of the month", "Thu, 18 AUG 2050 02:01:18 GMT", august},
		{"9110-5.6.7 case of the zone", "Thu, 18 Aug 2050 02:01:18 gMT", august},
		{"9110-5.5 whitespace around", " \tThu, 18 Aug 2050 02:01:18 GMT ", august},
		{"9110-5.6.7 two-digit year ahead", "Thursday, 18-Aug-50 02:01:18 GMT", august},
		{"9110-5.6.7 more than 50 years ahead is past", "Tuesday, 18-Aug-77 02:01:18 GMT", time.Date(1977, 8, 18, 2, 1, 18, 0, time.UTC)},
		{"9110-5.6.7 exactly 50 years ahead", "Sunday, 22-Nov-76 12:00:00 GMT", now.AddDate(50, 0, 0)},
		{"9110-5.6.7 a second more", "Sunday, 22-Nov-76 12:00:01 GMT", time.Date(1976, 11, 22, 12, 0, 1, 0, time.UTC)},
		{"9110-5.6.7 29 February of 00", "Tuesday, 29-Feb-00 00:00:00 GMT", time.Date(2000, 2, 29, 0, 0, 0, 0, time.UTC)},
		{"9110-5.6.7 leap second", "Sat, 31 Dec 2016 23:59:60 GMT", time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC)},
		{"9110-5.6.7 the day need not be right", "Mon, 06 Nov 1994 08:49:37 GMT", november},
		{"past 32 bits", "Sun, 21 Nov 2286 04:46:39 GMT", time.Date(2286, 11, 21, 4, 46, 39, 0, time.UTC)},

		{"9111-5.3 zero", "0", time.Time{}},
		{"empty", "", time.Time{}},
		{"UTC", "Thu, 18 Aug 2050 02:01:18 UTC", time.Time{}},
		{"other zone", "Thu, 18 Aug 2050 02:01:18 AEST", time.Time{}},
		{"offset", "Thu, 18 Aug 2050 02:01:18 +0000", time.Time{}},
		{"two-digit year in an IMF-fixdate", "Thu, 18 Aug 50 02:01:18 GMT", time.Time{}},
		{"no comma", "Thu 18 Aug 2050 02:01:18 GMT", time.Time{}},
		{"several spaces", "Thu, 18  Aug  2050 02:01:18 GMT", time.Time{}},
		{"dashes", "Thu, 18-Aug-2050 02:01:18 GMT", time.Time{}},
		{"periods", "Thu, 18 Aug 2050 02.01.18 GMT", time.Time{}},
		{"one-digit hour", "Thu, 18 Aug 2050 2:01:18 GMT", time.Time{}},
		{"short day in an rfc850-date", "Sun, 06-Nov-94 08:49:37 GMT", time.Time{}},
		{"long day in an IMF-fixdate", "Sunday, 06 Nov 1994 08:49:37 GMT", time.Time{}},
		{"asctime-date with a comma", "Sun Nov  6,08:49:37 1994", time.Time{}},
		{"asctime-date without a day", "Sun Nov   :08:49:37 1994", time.Time{}},
		{"rfc850-date without a year", "Sunday, 06-Nov-xx 08:49:37 GMT", time.Time{}},
		{"rfc850-date that is none in any century", "Sunday, 31-Apr-94 08:49:37 GMT", time.Time{}},
		{"31 April", "Sun, 31 Apr 2050 02:01:18 GMT", time.Time{}},
		{"29 February", "Sun, 29 Feb 2050 02:01:18 GMT", time.Time{}},
		{"day 0", "Thu, 00 Aug 2050 02:01:18 GMT", time.Time{}},
		{"hour 24", "Thu, 18 Aug 2050 24:00:00 GMT", time.Time{}},
		{"minute 60", "Thu, 18 Aug 2050 00:60:00 GMT", time.Time{}},
		{"second 61", "Thu, 18 Aug 2050 00:00:61 GMT", time.Time{}},
		{"no day", "Foo, 18 Aug 2050 00:00:00 GMT", time.Time{}},
		{"no month", "Thu, 18 Foo 2050 00:00:00 GMT", time.Time{}},
		{"signs", "Thu, -1 Aug 2050 00:00:00 GMT", time.Time{}},
		{"several", "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", time.Time{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := parseDate(tt.in, now)
			if ok == tt.want.IsZero() || !got.Equal(tt.want) {
				t.Errorf("parseDate(%q) = %v, %v; want %v", tt.in, got, ok, tt.want)
			}
		})
	}
}

// FuzzParseDate: what is a date for us is the same one for net/http, and every
// time is read back from each of the formats.
func FuzzParseDate(f *testing.F) {
	f.Add("Sun, 06 Nov 1994 08:49:37 GMT", int64(0))
	f.Add("Sunday, 06-Nov-94 08:49:37 GMT", int64(784111777))
	f.Add("Sun Nov  6 08:49:37 1994", int64(-1))
	f.Add("Tue, 29 Feb 2028 23:59:60 GMT", int64(1)<<32)
	f.Fuzz(func(t *testing.T, s string, unix int64) {
		got, ok := parseDate(s, now)
		if ok && !strings.Contains(s, ":60") && !strings.Contains(s, "-") {
			upper := strings.ToUpper(trimOWS(s)) // net/http wants GMT in capitals, and takes any case for the rest
			want, err := http.ParseTime(upper)
			if err != nil || !got.Equal(want) {
				t.Errorf("parseDate(%q) = %v, but net/http says %v, %v", s, got, want, err)
			}
		}
		const year = 365 * 24 * 3600
		at := time.Unix(now.Unix()+unix%(49*year), 0).UTC()
		for _, format := range []string{http.TimeFormat, "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
			if got, ok := parseDate(at.Format(format), now); !ok || !got.Equal(at) {
				t.Errorf("parseDate(%q) = %v, %v; want %v", at.Format(format), got, ok, at)
			}
		}
	})
}
