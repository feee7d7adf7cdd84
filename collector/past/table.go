package past

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A table is text in columns as wide as they need to be. The first column is left-aligned, and so are the named ones.
type table struct {
	head []string
	rows [][]string
	left map[int]bool
}

func newTable(left []int, head ...string) *table {
	t := &table{head: head, left: map[int]bool{0: true}}
	for _, i := range left {
		t.left[i] = true
	}
	return t
}

func (t *table) add(row ...string) { t.rows = append(t.rows, row) }

// write writes the table, without its empty columns. Columns that the terminal has no room for follow below, beside the
// first column once more.
func (t *table) write(b *strings.Builder, p prose) { t.writeRows(b, p, t.head) }

// writeRows writes the table below some rows.
func (t *table) writeRows(b *strings.Builder, p prose, above ...[]string) {
	widths := t.widths()
	for i, columns := range t.fitting(widths, p.columns) {
		if i > 0 {
			b.WriteString("\n")
		}
		for _, row := range slices.Concat(above, t.rows) {
			t.writeRow(b, row, columns, widths)
		}
	}
}

// widths are those of the columns, 0 for one that is empty.
func (t *table) widths() []int {
	widths := make([]int, len(t.head))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for i, title := range t.head {
		if widths[i] > 0 || i == 0 {
			widths[i] = max(widths[i], utf8.RuneCountInString(title))
		}
	}
	return widths
}

// between is how far apart two columns are.
const between = 2

// fitting parts the columns into as many tables as fit the terminal, each with the first column.
func (t *table) fitting(widths []int, columns int) [][]int {
	parts, width := [][]int{{0}}, widths[0]
	for i := 1; i < len(widths); i++ {
		if widths[i] == 0 {
			continue
		}
		last := len(parts) - 1
		if columns > 0 && width+between+widths[i] > columns && len(parts[last]) > 1 {
			parts, width = append(parts, []int{0}), widths[0]
			last++
		}
		parts[last] = append(parts[last], i)
		width += between + widths[i]
	}
	return parts
}

func (t *table) writeRow(b *strings.Builder, row []string, columns, widths []int) {
	var line strings.Builder
	for _, i := range columns {
		pad := strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(row[i])))
		if t.left[i] {
			line.WriteString(row[i] + pad)
		} else {
			line.WriteString(pad + row[i])
		}
		line.WriteString(strings.Repeat(" ", between))
	}
	b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// grouped formats a count with commas, such as 1,234,567; blank for none.
func grouped(n uint64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// blank is grouped with an empty string for zero, so that other numbers are conspicuous.
func blank(n uint64) string {
	if n == 0 {
		return ""
	}
	return grouped(n)
}

// inSeconds formats a duration for people, with three significant digits.
func inSeconds(seconds *float64) string {
	switch {
	case seconds == nil:
		return ""
	case *seconds < 9.9995:
		return fmt.Sprintf("%.3f s", *seconds)
	case *seconds < 99.95:
		return fmt.Sprintf("%.1f s", *seconds)
	}
	return fmt.Sprintf("%.0f s", *seconds)
}

// percent formats a ratio of 0 to 1.
func percent(share float64) string {
	if share > 0 && share < 0.001 {
		return "<0.1 %"
	}
	return fmt.Sprintf("%.1f %%", 100*share)
}

// sparkline draws values, the greatest as a full block. Values above zero are visible.
func sparkline(values []uint64) string {
	var top uint64
	for _, v := range values {
		top = max(top, v)
	}
	var b strings.Builder
	for _, v := range values {
		if v == 0 {
			b.WriteRune('·')
			continue
		}
		b.WriteRune([]rune("▁▂▃▄▅▆▇█")[min(7, v*8/(top+1))])
	}
	return b.String()
}

// cut shortens a text to n runes, with an ellipsis.
func cut(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}

// plain removes control characters from a log's text, for a terminal.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == utf8.RuneError {
			return '\uFFFD'
		}
		return r
	}, text)
}
