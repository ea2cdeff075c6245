#!/usr/bin/env bash
# Puts the book together: the documents, the support tables of the languages, the pages of all lint rules, and the
# catalog by product.
#
#   docs/book.sh target/book && mdbook build target/book
set -euo pipefail
docs=$(cd "$(dirname "$0")" && pwd)
book=${1:?name the folder to write}
pinhole=${PINHOLE:-pinhole}

mkdir -p "$book/lints" "$book/products" "$book/languages"
cp "$docs/book.toml" "$book"
for page in "$docs"/*.md; do
    sed -e 's|](\.\./rules/lints/|](lints/|g' -e 's|](\.\./src/dialect/\([a-z]*\)/README\.md)|](languages/\1.md)|g' \
        "$page" >"$book/${page##*/}"
done
for language in iptables nftables pf asa; do
    # Links to source files are names of them here.
    sed 's#\[\(`[a-z_]*`\)\]([a-z_]*\(\.rs\|/\))#\1#g' "$docs/../src/dialect/$language/README.md" \
        >"$book/languages/$language.md"
done
"$pinhole" rule --pages "$book/lints"
"$pinhole" catalog pages "$book/products"

# A chapter of pages: its title, and the folder. Its first page lists the others.
chapter() {
    printf '# %s\n\n' "$1" >"$book/$2/index.md"
    printf '\n- [%s](%s/index.md)\n' "$1" "$2" >>"$book/SUMMARY.md"
    for page in "$book/$2"/*.md; do
        name=${page##*/}
        [[ $name == index.md ]] && continue
        title=$(sed -n '1s/^# //p' "$page")
        printf -- '- [%s](%s)\n' "$title" "$name" >>"$book/$2/index.md"
        printf '  - [%s](%s/%s)\n' "$title" "$2" "$name" >>"$book/SUMMARY.md"
    done
}
printf '\n# Lists\n' >>"$book/SUMMARY.md"
chapter 'What is modelled of each language' languages
chapter 'The lint rules' lints
chapter 'The catalog by product' products
