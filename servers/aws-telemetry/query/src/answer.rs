//! Answers of the Query protocol as a tree, and what a service says when it refuses.

use roxmltree::{Document, Node};

/// An answer in XML. A document type definition, and with it any entity of its own, is refused.
pub struct Xml<'x>(Document<'x>);

/// One element of an answer. Names count without their namespace.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a, 'x>(Node<'a, 'x>);

impl<'x> Xml<'x> {
    /// Returns `None` for what is no XML.
    pub fn parse(text: &'x str) -> Option<Self> {
        Document::parse(text).ok().map(Self)
    }

    pub fn root(&self) -> Element<'_, 'x> {
        Element(self.0.root_element())
    }
}

impl<'a, 'x> Element<'a, 'x> {
    pub fn name(self) -> &'a str {
        self.0.tag_name().name()
    }

    pub fn children(self) -> impl Iterator<Item = Element<'a, 'x>> {
        self.0.children().filter(Node::is_element).map(Element)
    }

    /// Returns the first child of that name.
    pub fn child(self, name: &str) -> Option<Element<'a, 'x>> {
        self.children().find(|child| child.name() == name)
    }

    /// Returns the text of the first child of that name; `None` without it, and where it is empty.
    pub fn text_of(self, name: &str) -> Option<&'a str> {
        self.child(name)?.text()
    }

    pub fn text(self) -> Option<&'a str> {
        self.0.text().map(str::trim).filter(|text| !text.is_empty())
    }

    /// Returns the members of a list: the children of the first child `list`, at any depth below this element.
    pub fn members(self, list: &str) -> impl Iterator<Item = Element<'a, 'x>> + use<'a, 'x> {
        self.descendant(list).into_iter().flat_map(Element::children)
    }

    /// Returns the first element of that name below this one.
    pub fn descendant(self, name: &str) -> Option<Element<'a, 'x>> {
        self.0
            .descendants()
            .find(|node| node.is_element() && node.tag_name().name() == name)
            .map(Element)
    }
}

/// Reads `<Code>…</Code><Message>…</Message>` of the Query protocol, or `__type` and `message` of JSON.
pub(crate) fn error_of(text: &str) -> (String, Option<String>) {
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(text) {
        let field = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| json.get(name)?.as_str().map(str::to_owned))
        };
        let code = field(&["__type", "code"]).unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default().to_owned();
        return (code, field(&["message", "Message"]));
    }
    let Some(xml) = Xml::parse(text) else {
        return (String::new(), None);
    };
    let text_of = |name| xml.root().descendant(name)?.text().map(str::to_owned);
    (text_of("Code").unwrap_or_default(), text_of("Message"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn errors_of_both_protocols_are_read() {
        let xml = "<ErrorResponse xmlns='http://rds.amazonaws.com/doc/2014-10-31/'><Error><Type>Sender</Type><Code>Throttling</Code><Message>a &lt; b &amp;lt;</Message></Error></ErrorResponse>";
        assert_eq!(error_of(xml), ("Throttling".to_owned(), Some("a < b &lt;".to_owned())));
        let json = r#"{"__type": "com.amazonaws.cloudwatch#AccessDenied", "Message": "no"}"#;
        assert_eq!(error_of(json), ("AccessDenied".to_owned(), Some("no".to_owned())));
        assert_eq!(error_of("<html>"), (String::new(), None));
    }

    #[test]
    fn each_member_of_a_list_is_found() {
        let text =
            "<R><X><Events><Event><Message>one</Message></Event><Event><Message> </Message></Event></Events></X></R>";
        let xml = Xml::parse(text).unwrap();
        let found: Vec<Option<&str>> = xml
            .root()
            .members("Events")
            .map(|event| event.text_of("Message"))
            .collect();
        assert_eq!(found, [Some("one"), None]);
    }

    #[test]
    fn an_answer_cannot_define_entities() {
        assert!(Xml::parse("<!DOCTYPE r [<!ENTITY a 'aaaa'>]><r>&a;</r>").is_none());
    }
}
