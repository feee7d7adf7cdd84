package past

import (
	"strings"
	"unicode/utf8"
)

// prose is text for a terminal of so many columns; 0 is for none.
type prose struct{ columns int }

const (
	widestText   = 100
	narrowestRow = 40
)

// wrapped breaks a text into lines of at most a hundred columns, each with an indent.
func (p prose) wrapped(text, indent string) string {
	return p.joined(wordsOf(text), " ", indent, indent, widestText)
}

// wordsOf parts a text into words. A unit stays with its number.
func wordsOf(text string) []string {
	var list []string
	for _, word := range strings.Fields(text) {
		if last := len(list) - 1; last >= 0 && (word == "s" || word == "%" || word == "×") {
			list[last] += " " + word
			continue
		}
		list = append(list, word)
	}
	return list
}

// joined puts pieces side by side while they fit, and the others on lines of their own. Pieces are never cut.
func (p prose) joined(pieces []string, between, first, indent string, widest int) string {
	width := widest
	if p.columns > 0 {
		width = max(narrowestRow, min(widest, p.columns))
	}
	var b strings.Builder
	b.WriteString(first)
	column, begins := utf8.RuneCountInString(first), true
	for _, piece := range pieces {
		n := utf8.RuneCountInString(piece)
		switch {
		case begins:
		case column+len(between)+n > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteString(between)
			column += len(between)
		}
		b.WriteString(piece)
		column, begins = column+n, false
	}
	return b.String() + "\n"
}
