package event

import (
	"errors"
	"strings"

	cvss30 "github.com/pandatix/go-cvss/30"
	cvss31 "github.com/pandatix/go-cvss/31"
	cvss40 "github.com/pandatix/go-cvss/40"
)

// cvss returns the importance of a vector of CVSS 3.0 or 3.1, by its base score,
// or 4.0, by its score: the score rounded down, and at least 1. So 4, 7 and 9 are
// where medium, high and critical begin, as in CVSS itself.
func cvss(vector string) (int, error) {
	var score float64
	switch {
	case strings.HasPrefix(vector, "CVSS:3.0/"):
		v, err := cvss30.ParseVector(vector)
		if err != nil {
			return 0, err
		}
		score = v.BaseScore()
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		v, err := cvss31.ParseVector(vector)
		if err != nil {
			return 0, err
		}
		score = v.BaseScore()
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		v, err := cvss40.ParseVector(vector)
		if err != nil {
			return 0, err
		}
		score = v.Score()
	default:
		return 0, errors.New("it begins with none of CVSS:3.0/, CVSS:3.1/ and CVSS:4.0/")
	}
	return max(1, int(score)), nil
}
