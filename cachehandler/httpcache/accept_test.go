package httpcache

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestNormalised(t *testing.T) {
	const encoding, language = "Accept-Encoding", "Accept-Language"
	tests := []struct {
		name, field, value string
		want               string // "!" if it is compared as it is
	}{
		{"9110-12.5.3 one", encoding, "gzip", "gzip"},
		{"9110-12.5.3 case", encoding, "GZip", "gzip"},
		{"9110-12.5.3 order and space", encoding, " gzip ,deflate,  br", "br,deflate,gzip"},
		{"9110-12.4.2 explicit q=1", encoding, "br;q=1.0, gzip;q=1", "br,gzip"},
		{"9110-12.4.2 preference", encoding, "gzip;q=0.5, br", "br>gzip"},
		{"9110-12.4.2 weights as such", encoding, "gzip;q=0.123, br;q=0.9", "br>gzip"},
		{"9110-12.4.2 three steps", encoding, "a;q=0.3, b, c;q=0.2", "b>a>c"},
		{"9110-12.5.3 q=0 is not named", encoding, "gzip, br;q=0", "gzip"},
		{"9110-12.5.3 q=0 with *", encoding, "br;q=0, *", "*/br"},
		{"9110-12.5.3 *;q=0 excludes identity", encoding, "gzip, *;q=0", "gzip/identity"},
		{"9110-12.5.3 identity excluded", encoding, "gzip, identity;q=0", "gzip/identity"},
		{"9110-12.5.3 *;q=0 but identity", encoding, "gzip;q=0.5, identity, *;q=0", "identity>gzip"},
		{"9110-12.5.3 identity alone", encoding, "identity", ""},
		{"9110-12.5.3 empty", encoding, "", ""},
		{"9110-12.5.3 nothing accepted but identity", encoding, "gzip;q=0", ""},
		{"9110-12.5.3 identity preferred", encoding, "identity, gzip;q=0.5", "identity>gzip"},
		{"9110-8.4.1.3 x-gzip", encoding, "x-gzip", "gzip"},
		{"9110-8.4.1.3 x-gzip and gzip", encoding, "x-gzip, gzip", "gzip"},
		{"9110-8.4.1.1 x-compress", encoding, "X-Compress", "compress"},
		{"9110-12.5.3 unknown codings are kept", encoding, "gzip, foo", "foo,gzip"},
		{"9110-12.5.3 twice", encoding, "gzip, gzip", "gzip"},
		{"9110-12.5.3 twice, and not the same", encoding, "gzip, gzip;q=0.5", "!"},
		{"9110-12.4.2 no weight", encoding, "gzip;q=2", "!"},
		{"9110-12.4.2 too many digits", encoding, "gzip;q=0.1234", "!"},
		{"9110-12.4.2 over one", encoding, "gzip;q=1.001", "!"},
		{"9110-12.4.2 no fraction", encoding, "gzip;q=0.x", "!"},
		{"9110-12.4.2 no whole", encoding, "gzip;q=.5", "!"},
		{"9110-12.4.2 bare point", encoding, "br, gzip;q=0.", "br"},
		{"9110-12.4.2 Q", encoding, "br, gzip;Q=0.5", "br>gzip"},
		{"9110-12.4.2 another parameter", encoding, "gzip;level=9", "!"},
		{"9110-12.4.2 two parameters", encoding, "gzip;q=1;q=0", "!"},
		{"9110-12.5.3 no token", encoding, "g zip", "!"},
		{"9110-12.5.3 the markers are no tokens", encoding, "a>b", "!"},
		{"too many", encoding, strings.Repeat("a,", maxWeighted), "!"},

		{"9110-12.5.4 languages", language, "en-US,en;q=0.9,de;q=0.8", "en-us>en>de"},
		{"9110-12.5.4 weights as such", language, "en-US, en;q=0.5, de;q=0.3", "en-us>en>de"},
		{"9110-12.5.4 equal weights", language, "en, DE", "de,en"},
		{"9110-12.5.4 excluded", language, "en, de;q=0", "en/de"},
		{"9110-12.5.4 wildcard", language, "en, *;q=0.5", "en>*"},
		{"9110-12.5.4 empty", language, "", "!"},

		{"another field is a list", "Accept", "Text/HTML, text/plain ; q=0.5", "text/html,text/plain;q=0.5"},
		{"another field in another order", "Accept", "text/plain;q=0.5,,text/html", "text/html,text/plain;q=0.5"},
		{"another field with quoted strings", "Foo", `a, "B c"`, "!"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := appendNormalised([]byte("x"), tt.field, []string{tt.value})
			want := "x" + tt.want
			if tt.want == "!" {
				want = "x"
			}
			if string(got) != want || ok != (tt.want != "!") {
				t.Errorf("normal form of %q = %q, %v; want %q", tt.value, got, ok, want)
			}
		})
	}
}

// slowAccepts is what an Accept-Encoding lets a server send (§12.5.3): the
// weight of a coding, 0 for no.
func slowAccepts(value, coding string) float64 {
	weights := map[string]float64{}
	for element := range strings.SplitSeq(strings.ToLower(value), ",") {
		name, weight, has := strings.Cut(strings.ReplaceAll(element, " ", ""), ";q=")
		weights[strings.TrimPrefix(name, "x-")] = 1
		if has {
			weights[strings.TrimPrefix(name, "x-")], _ = strconv.ParseFloat(weight, 64)
		}
	}
	if w, ok := weights[coding]; ok {
		return w
	}
	if w, ok := weights["*"]; ok {
		return w
	}
	if coding == "identity" {
		return 0.0001 // acceptable, below what is named
	}
	return 0
}

// TestNormalisedCodingsAccept holds the promise of the normal form: requests
// that share it accept the same codings, and prefer the same to which.
func TestNormalisedCodingsAccept(t *testing.T) {
	codings := []string{"gzip", "br", "zstd", "identity", "other"}
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[string]string{}
	shared := 0
	for range 8000 {
		value := randomEncodings(r)
		normal, ok := appendNormalised(nil, "Accept-Encoding", []string{value})
		if !ok {
			t.Fatalf("%q has no normal form", value)
		}
		other, twice := seen[string(normal)]
		if !twice {
			seen[string(normal)] = value
			continue
		}
		shared++
		for _, a := range codings {
			if (slowAccepts(value, a) > 0) != (slowAccepts(other, a) > 0) {
				t.Fatalf("%q and %q share %q, but only one accepts %s", value, other, normal, a)
			}
			for _, b := range codings {
				if compareFloat(slowAccepts(value, a), slowAccepts(value, b)) != compareFloat(slowAccepts(other, a), slowAccepts(other, b)) {
					t.Fatalf("%q and %q share %q, but prefer %s and %s differently", value, other, normal, a, b)
				}
			}
		}
	}
	if shared < 4000 {
		t.Errorf("only %d of 8000 share a normal form: it does not normalise", shared)
	}
}

func randomEncodings(r *rand.Rand) string {
	names := []string{"gzip", "br", "zstd", "identity", "*", "X-GZIP", "Br"}
	weights := []string{"", "", ";q=0", ";q=0.5", "; q=0.8", ";q=1.0"}
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var elements []string
	for _, name := range names[:r.IntN(4)] {
		if !slices.ContainsFunc(elements, func(e string) bool { // one weight for one coding
			return strings.Contains("x-"+strings.ToLower(e), strings.ToLower(strings.TrimPrefix(name, "X-")))
		}) {
			elements = append(elements, name+weights[r.IntN(len(weights))])
		}
	}
	return strings.Join(elements, ", ")
}

func compareFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
