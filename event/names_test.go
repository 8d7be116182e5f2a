package event

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The spellings of each line are one name, and no two lines are.
func TestKey(t *testing.T) {
	taken := make(map[string]string)
	for _, test := range []struct {
		key       string
		spellings []string
	}{
		{"public-works", []string{"public-works", "Public Works", "PUBLIC_WORKS", "public  works", " public\tworks\n", "public/works", "public–works", "public: works!", "(public) works", "-public--works-", "public\u00a0works", "pub'lic works"}},
		{"publicworks", []string{"publicworks", "PublicWorks"}},
		{"o-brien", []string{"o-brien", "O Brien"}},
		{"obrien", []string{"O'Brien", "O’Brien", "OBrien"}},
		{"c", []string{"c", "C", "C.", "(c)"}},
		{"c++", []string{"c++", "C++"}},
		{"c#", []string{"c#", "C#"}},
		{"$x", []string{"$x", "$X"}},
		{"x", []string{"x", "X!"}},
		{"*x", []string{"*X"}},
		{"50%", []string{"50%", "50%."}},
		{"@home", []string{"@home", "@Home"}},
		{"u-s", []string{"U.S.", "u s", "U-S"}},
		{"us", []string{"US", "us"}},
		{"café-noir", []string{"Café noir", "Cafe\u0301 noir", "CAFÉ-NOIR", "CAFE\u0301_NOIR"}},
		{"cafe-noir", []string{"cafe noir"}},
		{"strasse", []string{"Straße", "STRASSE", "STRAẞE", "strasse"}},
		{"σοφοσ", []string{"ΣΟΦΟΣ", "σοφος", "σοφοσ"}},
		{"ᎠᏰ", []string{"ᎠᏰ", "ꭰᏸ", "ꭰᏰ"}},
		{"हिन्दी-भाषा", []string{"हिन्दी भाषा", "हिन्दी-भाषा"}},
		{"हनद-भष", []string{"हनद भष"}},
		{"中文-标签", []string{"中文 标签", "中文・标签", "中文、标签"}},
		{"中文标签", []string{"中文标签"}},
		{"🔥", []string{"🔥", " 🔥 "}},
		{"🔥-🔥", []string{"🔥 🔥"}},
		{"2025-01-28", []string{"2025-01-28", "2025.01.28"}},
		{"...", []string{"..."}},
		{"!", []string{"!", " ! "}},
		{"etc-passwd", []string{"../../etc/passwd", "etc passwd"}},
	} {
		for _, s := range test.spellings {
			if got := Key(s); got != test.key {
				t.Errorf("Key(%q) = %q, want %q", s, got, test.key)
			}
		}
		if s, ok := taken[test.key]; ok {
			t.Errorf("%q stands twice, also as %q", test.key, s)
		}
		taken[test.key] = test.spellings[0]
	}
	for _, blank := range []string{"", " ", "\n\t", "\u00a0", "\x01"} {
		if got := Key(blank); got != "" {
			t.Errorf("Key(%q) = %q", blank, got)
		}
	}
}

func TestSlug(t *testing.T) {
	for _, test := range []struct{ name, want string }{
		{"public works", "public-works"},
		{"C", "c"}, {"C++", "c"}, {"C#", "c"}, {"$x", "x"}, {"a + b", "a-b"}, {"a $ b % c", "a-b-c"},
		{"../..", "x-" + Suffix("../..")},
		{"../../etc/passwd", "etc-passwd"},
		{"..", "x-" + Suffix("..")},
		{"a/b", "a-b"}, {`a\b`, "a-b"}, {"a.b", "a-b"}, {"(a) (b)", "a-b"}, {"a?b#c&d=e", "a-b-c-d-e"},
		{"Amélie", "amélie"}, {"Ame\u0301lie", "amélie"},
		{"हिन्दी भाषा", "हिन्दी-भाषा"},
		{"中文 标签", "中文-标签"},
		{"🔥", "x-" + Suffix("🔥")},
		{"🔥🔥", "x-" + Suffix("🔥🔥")},
		{"hot 🔥 news", "hot-news"},
		{"!", "x-" + Suffix("!")},
		{"", "x-e3b0c442"},
		{strings.Repeat("a", 80), strings.Repeat("a", 80)},
		{strings.Repeat("a", 300), strings.Repeat("a", 71) + "-" + Suffix(strings.Repeat("a", 300))},
		{strings.Repeat("a", 70) + "-" + strings.Repeat("b", 30), strings.Repeat("a", 70) + "-" + Suffix(strings.Repeat("a", 70)+"-"+strings.Repeat("b", 30))},
		{strings.Repeat("é", 300), strings.Repeat("é", 35) + "-" + Suffix(strings.Repeat("é", 300))},
		{strings.Repeat("中", 300), strings.Repeat("中", 23) + "-" + Suffix(strings.Repeat("中", 300))},
	} {
		got := Slug(Key(test.name))
		if got != test.want {
			t.Errorf("the slug of %q is %q, want %q", test.name, got, test.want)
		}
		checkSlug(t, got)
	}
	// Names alike in their first 300 characters have slugs of their own.
	long := strings.Repeat("a", 300)
	if Slug(long+"b") == Slug(long+"c") {
		t.Error("two long names have one slug")
	}
}

func checkSlug(t *testing.T, s string) {
	t.Helper()
	if s == "" || len(s) > maxSlug || !utf8.ValidString(s) || strings.ContainsAny(s, "/.\\?#%& ") || strings.HasPrefix(s, "-") || strings.HasSuffix(s, "-") {
		t.Errorf("bad slug %q", s)
	}
}

func TestSuffix(t *testing.T) {
	// Slugs are kept and linked to; these never change.
	for key, want := range map[string]string{"": "e3b0c442", "c++": "cedb1bac", "🔥": "ed8d8305"} {
		if got := Suffix(key); got != want {
			t.Errorf("Suffix(%q) = %q, want %q", key, got, want)
		}
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}$`).MatchString(Suffix(strings.Repeat("x", 999))) {
		t.Error("no eight digits")
	}
}

// Key is a key of itself: names are compared by it and kept as it.
func checkKey(t *testing.T, name string) {
	t.Helper()
	k := Key(name)
	if again := Key(k); again != k {
		t.Errorf("Key(%q) = %q, and the key of that is %q", name, k, again)
	}
	if strings.ContainsFunc(k, unicode.IsSpace) && Key(k) != line(k) || !utf8.ValidString(k) && utf8.ValidString(name) {
		t.Errorf("Key(%q) = %q", name, k)
	}
	checkSlug(t, Slug(k))
}

// Every character that has cases, parts or is a mark, beside others.
func TestKeyOfEveryRune(t *testing.T) {
	for r := rune(1); r <= unicode.MaxRune; r++ {
		s := string(r)
		if unicode.Is(unicode.Hangul, r) || unicode.SimpleFold(r) == r && norm.NFD.IsNormalString(s) && !unicode.IsMark(r) {
			continue
		}
		for _, name := range []string{"a" + s + "b", s + "\u0301", s + "'\u0308\u0301", "α\u0345" + s} {
			if k := Key(name); Key(k) != k {
				t.Errorf("%U: Key(%q) = %q, and the key of that is %q", r, name, k, Key(k))
			}
		}
	}
}

// Whatever the name, its key is a key, its slug a part of a URL.
func FuzzKey(f *testing.F) {
	f.Fuzz(func(t *testing.T, name string) {
		checkSlug(t, Slug(name)) // also of what is no key
		if !utf8.ValidString(name) {
			return // names come from files, which are valid
		}
		checkKey(t, name)
		if l := line(name); Key(l) != Key(name) || line(l) != l {
			t.Errorf("%q on one line is %q, then %q; keys %q and %q", name, l, line(l), Key(name), Key(l))
		}
		if a, b := Key(norm.NFD.String(name)), Key(name); a != b {
			t.Errorf("%q: key %q, decomposed %q", name, b, a)
		}
	})
}

func BenchmarkSlug(b *testing.B) {
	names := []string{"public-works", "National Aeronautics and Space Administration", "Straße der Musik", "हिन्दी भाषा"}
	b.ReportAllocs()
	for b.Loop() {
		for _, n := range names {
			Slug(Key(n))
		}
	}
}

// The ways that are faster for names in ASCII end where the others do.
func TestPlainNames(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const letters = "aZ09 '-_.#*%@+$!/\\\t\n\x7f\x01é"
	keys := 0
	for range 200_000 {
		b := make([]byte, r.IntN(7))
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		s := strings.ToValidUTF8(string(b), "é")
		if isLine(s) {
			keys++
			if got, want := plainKey(s), foldedKey(s); got != want && !(got == "" && want == s) {
				t.Fatalf("the plain key of %q is %q, that of all names %q", s, got, want)
			}
		}
		if got, want := line(s), strings.Join(strings.Fields(norm.NFC.String(legal(s))), " "); got != want {
			t.Fatalf("line(%q) = %q, want %q", s, got, want)
		}
	}
	if keys < 20_000 {
		t.Errorf("only %d names were plain", keys)
	}
}
