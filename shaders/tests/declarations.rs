//! Every shader is valid WGSL and is what its Rust declaration says.

use naga::{
    AddressSpace, Literal, StorageAccess,
    valid::{Capabilities, GlobalUse, ModuleInfo, ValidationFlags, Validator},
};
use shaders::{Access, SHADERS, Shader};

fn parse(shader: &Shader) -> (naga::Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(shader.source)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(shader.source)));
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(shader.source)));
    (module, info)
}

#[test]
fn every_shader_is_valid_without_optional_capabilities() {
    for shader in SHADERS {
        parse(shader);
    }
}

#[test]
fn every_entry_point_is_main_with_the_declared_workgroup_size() {
    for shader in SHADERS {
        let (module, _) = parse(shader);
        let [entry_point] = &module.entry_points[..] else {
            panic!("{}: one entry point expected", shader.name);
        };
        assert_eq!(entry_point.name, "main", "{}", shader.name);
        assert_eq!(entry_point.workgroup_size, shader.workgroup_size, "{}", shader.name);
    }
}

#[test]
fn every_binding_has_the_declared_number_name_and_use() {
    for shader in SHADERS {
        let (module, info) = parse(shader);
        let mut found = 0;
        for (handle, variable) in module.global_variables.iter() {
            let Some(binding) = variable.binding else {
                continue;
            };
            let name = variable.name.as_deref().unwrap_or("");
            let declared = &shader.bindings[binding.binding as usize];
            assert_eq!((binding.group, name), (0, declared.name), "{}", shader.name);
            assert_eq!(
                variable.space,
                AddressSpace::Storage { access: StorageAccess::LOAD | StorageAccess::STORE },
                "{}: {name}",
                shader.name
            );
            let used = info.get_entry_point(0)[handle];
            let is_written = used.contains(GlobalUse::WRITE);
            assert_eq!(is_written, declared.access != Access::Read, "{}: {name}", shader.name);
            assert!(!used.is_empty(), "{}: {name} is unused", shader.name);
            found += 1;
        }
        assert_eq!(found, shader.bindings.len(), "{}", shader.name);
    }
}

#[test]
fn every_declared_constant_has_its_value_in_the_text() {
    for shader in SHADERS {
        let (module, _) = parse(shader);
        for (name, value) in shader.constants {
            let (_, constant) = module
                .constants
                .iter()
                .find(|(_, constant)| constant.name.as_deref() == Some(name))
                .unwrap_or_else(|| panic!("{}: no constant {name}", shader.name));
            assert_eq!(
                module.global_expressions[constant.init],
                naga::Expression::Literal(Literal::U32(*value)),
                "{}: {name}",
                shader.name
            );
        }
    }
}

#[test]
fn names_are_unique() {
    for (index, shader) in SHADERS.iter().enumerate() {
        assert!(SHADERS[..index].iter().all(|earlier| earlier.name != shader.name));
    }
}
