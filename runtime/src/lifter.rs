//! The lifter: a component, generated for the one at hand, that makes every host function it
//! imports callable by values.
//!
//! Host libraries offer typed functions, which can only be linked, not called. The lifter imports
//! what the component imports and exports each function again under a number, so that what was
//! recorded can be passed on to any host library without a line of code for its interfaces.
//!
//! Handles need care. The lifter owns every resource the host hands out, in its own table, and
//! passes table indices instead: `own<r>` becomes `tuple<u32>`, `borrow<r>` becomes `tuple<s32>`, which
//! have the same core form. A one-element tuple of these types that an interface really has becomes
//! a record, so that the two cannot be confused.

use std::collections::HashMap;

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ExportKind, ExportSection, FunctionSection, GlobalSection,
    GlobalType, ImportSection, MemorySection, MemoryType, Module, TypeSection, ValType,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::abi::{AbiVariant, WasmSignature, WasmType};
use wit_parser::{
    Case, Docs, Field, Function, FunctionKind, Handle, LiftLowerAbi, ManglingAndAbi, Record,
    Resolve, ResourceIntrinsic, Result_, SizeAlign, Span, Stability, Tuple, Type, TypeDef,
    TypeDefKind, TypeId, TypeOwner, Variant, WasmExport, WasmExportKind, WasmImport, WorldId,
    WorldItem, WorldKey,
};

use crate::world::Decoded;

const MANGLING: ManglingAndAbi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);

/// Where the results of a function go whose results do not fit a core value.
const RESULTS_AT: u32 = 1024;

/// Generates the lifter. It exports `f0`, `f1`, ... for the imported functions in the order of
/// [`crate::World::imports`], and `d0`, `d1`, ... to drop resources, in the order of
/// [`crate::World::resources`].
pub(crate) fn generate(
    decoded: &Decoded,
    encoding: StringEncoding,
) -> Result<Vec<u8>, anyhow::Error> {
    let imports = decoded.imports();
    let resources = decoded.resources();
    let mut mirror = Mirror::new(decoded);
    let exports = mirror.functions(&imports);
    let drops = mirror.drops(resources.len());
    let Mirror { resolve, world, .. } = mirror;

    let mut core = Core::default();
    for (key, function) in &imports {
        let signature = resolve.wasm_signature(AbiVariant::GuestImport, function);
        let import = WasmImport::Func { interface: key.as_ref(), func: function };
        core.import(&resolve, import, &signature);
    }
    for (key, resource) in &resources {
        let import = WasmImport::ResourceIntrinsic {
            interface: key.as_ref(),
            resource: *resource,
            intrinsic: ResourceIntrinsic::ImportedDrop,
        };
        core.import_drop(&resolve, import);
    }
    let results_bytes = results_bytes(&resolve, &exports);
    let heap = (RESULTS_AT + results_bytes).next_multiple_of(16);
    core.realloc();
    for (number, function) in exports.iter().chain(&drops).enumerate() {
        let import = imports
            .get(number)
            .map(|(_, function)| resolve.wasm_signature(AbiVariant::GuestImport, function));
        let returns_in_memory = import.is_some_and(|signature| signature.retptr);
        core.forward(&resolve, function, number as u32, returns_in_memory, heap);
    }
    let mut module = core.finish(heap);
    embed_component_metadata(&mut module, &resolve, world, encoding)?;
    ComponentEncoder::default().module(&module)?.validate(true).encode()
}

/// The most bytes that results in memory take.
fn results_bytes(resolve: &Resolve, functions: &[Function]) -> u32 {
    let mut sizes = SizeAlign::default();
    sizes.fill(resolve);
    let results = functions.iter().filter_map(|function| function.result.as_ref());
    results.map(|ty| sizes.size(ty).size_wasm32()).max().unwrap_or(0) as u32
}

/// The lifter's world: the imports of the component's, and their mirror images as exports.
struct Mirror {
    resolve: Resolve,
    world: WorldId,
    /// From types of the imports to those of the exports.
    types: HashMap<TypeId, Type>,
    names: usize,
}

impl Mirror {
    fn new(decoded: &Decoded) -> Mirror {
        let mut resolve = decoded.resolve.clone();
        let mut world = resolve.worlds[decoded.world].clone();
        world.name = "theater-lifter".to_owned();
        world.exports.clear();
        let world = resolve.worlds.alloc(world);
        Mirror { resolve, world, types: HashMap::new(), names: 0 }
    }

    fn functions(&mut self, imports: &[(Option<WorldKey>, Function)]) -> Vec<Function> {
        let mut functions = Vec::new();
        for (number, (_, import)) in imports.iter().enumerate() {
            let mut function = import.clone();
            function.name = format!("f{number}");
            function.kind = FunctionKind::Freestanding;
            for (at, param) in function.params.iter_mut().enumerate() {
                param.name = format!("p{at}");
                param.ty = self.ty(&param.ty);
            }
            function.result = function.result.map(|ty| self.ty(&ty));
            functions.push(self.export(function));
        }
        functions
    }

    fn drops(&mut self, count: usize) -> Vec<Function> {
        let drop = |number| Function {
            name: format!("d{number}"),
            kind: FunctionKind::Freestanding,
            params: vec![wit_parser::Param {
                name: "p0".to_owned(),
                ty: Type::U32,
                span: Span::default(),
            }],
            result: None,
            docs: Docs::default(),
            stability: Stability::default(),
            span: Span::default(),
            external_id: None,
        };
        (0..count).map(|number| self.export(drop(number))).collect()
    }

    fn export(&mut self, function: Function) -> Function {
        let key = WorldKey::Name(function.name.clone());
        let item = WorldItem::Function(function.clone());
        self.resolve.worlds[self.world].exports.insert(key, item);
        function
    }

    fn ty(&mut self, ty: &Type) -> Type {
        let Type::Id(id) = *ty else { return *ty };
        if let Some(known) = self.types.get(&id) {
            return *known;
        }
        let mirrored = match self.resolve.types[id].kind.clone() {
            TypeDefKind::Type(original) => self.ty(&original),
            kind => self.kind(kind),
        };
        self.types.insert(id, mirrored);
        mirrored
    }

    /// What a type is another name for.
    fn unaliased(&self, ty: &Type) -> Type {
        match ty {
            Type::Id(id) => match &self.resolve.types[*id].kind {
                TypeDefKind::Type(original) => self.unaliased(original),
                _ => *ty,
            },
            _ => *ty,
        }
    }

    fn kind(&mut self, kind: TypeDefKind) -> Type {
        match kind {
            TypeDefKind::Handle(Handle::Own(_)) => self.anonymous(single(Type::U32)),
            TypeDefKind::Handle(Handle::Borrow(_)) => self.anonymous(single(Type::S32)),
            TypeDefKind::Tuple(tuple) => {
                let types = tuple.types.iter().map(|ty| self.unaliased(ty)).collect::<Vec<_>>();
                match types[..] {
                    // Would be taken for a handle.
                    [only @ (Type::U32 | Type::S32)] => self.named(only_field(only)),
                    _ => {
                        let types = types.iter().map(|ty| self.ty(ty)).collect();
                        self.anonymous(TypeDefKind::Tuple(Tuple { types }))
                    }
                }
            }
            TypeDefKind::Record(record) => {
                let fields = record.fields.into_iter();
                let fields =
                    fields.map(|field| Field { ty: self.ty(&field.ty), ..field }).collect();
                self.named(TypeDefKind::Record(Record { fields }))
            }
            TypeDefKind::Variant(variant) => {
                let cases = variant.cases.into_iter();
                let cases =
                    cases.map(|case| Case { ty: case.ty.map(|ty| self.ty(&ty)), ..case }).collect();
                self.named(TypeDefKind::Variant(Variant { cases }))
            }
            kind @ (TypeDefKind::Enum(_) | TypeDefKind::Flags(_)) => self.named(kind),
            TypeDefKind::Option(ty) => {
                let ty = self.ty(&ty);
                self.anonymous(TypeDefKind::Option(ty))
            }
            TypeDefKind::List(ty) => {
                let ty = self.ty(&ty);
                self.anonymous(TypeDefKind::List(ty))
            }
            TypeDefKind::FixedLengthList(ty, len) => {
                let ty = self.ty(&ty);
                self.anonymous(TypeDefKind::FixedLengthList(ty, len))
            }
            TypeDefKind::Map(key, value) => {
                let (key, value) = (self.ty(&key), self.ty(&value));
                self.anonymous(TypeDefKind::Map(key, value))
            }
            TypeDefKind::Result(result) => {
                let ok = result.ok.map(|ty| self.ty(&ty));
                let err = result.err.map(|ty| self.ty(&ty));
                self.anonymous(TypeDefKind::Result(Result_ { ok, err }))
            }
            TypeDefKind::Resource
            | TypeDefKind::Future(_)
            | TypeDefKind::Stream(_)
            | TypeDefKind::Type(_)
            | TypeDefKind::Unknown => unreachable!("refused when the world was read"),
        }
    }

    fn anonymous(&mut self, kind: TypeDefKind) -> Type {
        Type::Id(self.resolve.types.alloc(type_def(None, kind, TypeOwner::None)))
    }

    /// Records and the like need a name, which lives in the world.
    fn named(&mut self, kind: TypeDefKind) -> Type {
        let name = format!("theater-t{}", self.names);
        self.names += 1;
        let owner = TypeOwner::World(self.world);
        let id = self.resolve.types.alloc(type_def(Some(name.clone()), kind, owner));
        let item = WorldItem::Type { id, span: Span::default() };
        self.resolve.worlds[self.world].imports.insert(WorldKey::Name(name), item);
        Type::Id(id)
    }
}

fn only_field(ty: Type) -> TypeDefKind {
    let (docs, span) = (Docs::default(), Span::default());
    TypeDefKind::Record(Record { fields: vec![Field { name: "only".to_owned(), ty, docs, span }] })
}

fn single(ty: Type) -> TypeDefKind {
    TypeDefKind::Tuple(Tuple { types: vec![ty] })
}

fn type_def(name: Option<String>, kind: TypeDefKind, owner: TypeOwner) -> TypeDef {
    TypeDef {
        name,
        kind,
        owner,
        docs: Docs::default(),
        stability: Stability::default(),
        span: Span::default(),
        external_id: None,
    }
}

/// The lifter's core module.
#[derive(Default)]
struct Core {
    types: TypeSection,
    imports: ImportSection,
    functions: FunctionSection,
    exports: ExportSection,
    code: CodeSection,
    imported: u32,
    defined: u32,
}

impl Core {
    fn import(&mut self, resolve: &Resolve, import: WasmImport<'_>, signature: &WasmSignature) {
        let (params, results) = (core_types(&signature.params), core_types(&signature.results));
        self.import_as(resolve, import, params, results);
    }

    fn import_drop(&mut self, resolve: &Resolve, import: WasmImport<'_>) {
        self.import_as(resolve, import, vec![ValType::I32], Vec::new());
    }

    fn import_as(
        &mut self,
        resolve: &Resolve,
        import: WasmImport<'_>,
        params: Vec<ValType>,
        results: Vec<ValType>,
    ) {
        let (module, name) = resolve.wasm_import_name(MANGLING, import);
        let ty = self.ty(params, results);
        self.imports.import(&module, &name, wasm_encoder::EntityType::Function(ty));
        self.imported += 1;
    }

    fn ty(&mut self, params: Vec<ValType>, results: Vec<ValType>) -> u32 {
        let index = self.types.len();
        self.types.ty().function(params, results);
        index
    }

    fn define(
        &mut self,
        name: &str,
        params: Vec<ValType>,
        results: Vec<ValType>,
        body: &wasm_encoder::Function,
    ) {
        let ty = self.ty(params, results);
        self.functions.function(ty);
        self.exports.export(name, ExportKind::Func, self.imported + self.defined);
        self.code.function(body);
        self.defined += 1;
    }

    /// Memory for one call comes from a pointer that only goes up. Locals: old pointer, old size,
    /// alignment, new size; the new pointer.
    fn realloc(&mut self) {
        let mut body = wasm_encoder::Function::new([(1, ValType::I32)]);
        let mut code = body.instructions();
        // What shrinks stays where it is.
        code.local_get(3).local_get(1).i32_le_u().if_(BlockType::Empty);
        code.local_get(0).return_().end();
        // new pointer = (next + alignment - 1) & -alignment
        code.global_get(0).local_get(2).i32_const(1).i32_sub().i32_add();
        code.i32_const(0).local_get(2).i32_sub().i32_and().local_set(4);
        code.local_get(4).local_get(3).i32_add().global_set(0);
        // Grow by as many pages as are missing.
        code.block(BlockType::Empty);
        code.global_get(0).memory_size(0).i32_const(16).i32_shl().i32_le_u().br_if(0);
        code.global_get(0).memory_size(0).i32_const(16).i32_shl().i32_sub();
        code.i32_const(16).i32_shr_u().i32_const(1).i32_add();
        code.memory_grow(0).i32_const(-1).i32_eq().if_(BlockType::Empty).unreachable().end();
        code.end();
        code.local_get(1).if_(BlockType::Empty);
        code.local_get(4).local_get(0).local_get(1).memory_copy(0, 0).end();
        code.local_get(4).end();
        self.define("cabi_realloc", vec![ValType::I32; 4], vec![ValType::I32], &body);
    }

    /// A function that calls import `number` with what it was called with, and one that runs after
    /// its results were read and frees all memory of the call.
    fn forward(
        &mut self,
        resolve: &Resolve,
        function: &Function,
        number: u32,
        returns_in_memory: bool,
        heap: u32,
    ) {
        let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
        let (params, results) = (core_types(&signature.params), core_types(&signature.results));
        let mut body = wasm_encoder::Function::new([]);
        let mut code = body.instructions();
        for local in 0..params.len() as u32 {
            code.local_get(local);
        }
        if returns_in_memory {
            code.i32_const(RESULTS_AT.cast_signed());
        }
        code.call(number);
        if returns_in_memory {
            code.i32_const(RESULTS_AT.cast_signed());
        }
        code.end();
        let name = |kind| {
            let export = WasmExport::Func { interface: None, func: function, kind };
            resolve.wasm_export_name(MANGLING, export)
        };
        self.define(&name(WasmExportKind::Normal), params, results.clone(), &body);
        let mut after = wasm_encoder::Function::new([]);
        after.instructions().i32_const(heap.cast_signed()).global_set(0).end();
        self.define(&name(WasmExportKind::PostReturn), results, Vec::new(), &after);
    }

    fn finish(mut self, heap: u32) -> Vec<u8> {
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: u64::from(heap.div_ceil(1 << 16)),
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        self.exports.export("memory", ExportKind::Memory, 0);
        let mut globals = GlobalSection::new();
        globals.global(
            GlobalType { val_type: ValType::I32, mutable: true, shared: false },
            &ConstExpr::i32_const(heap.cast_signed()),
        );
        let mut module = Module::new();
        module.section(&self.types).section(&self.imports).section(&self.functions);
        module.section(&memories).section(&globals).section(&self.exports).section(&self.code);
        module.finish()
    }
}

fn core_types(types: &[WasmType]) -> Vec<ValType> {
    let core = |ty: &WasmType| match ty {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => ValType::I32,
        WasmType::I64 | WasmType::PointerOrI64 => ValType::I64,
        WasmType::F32 => ValType::F32,
        WasmType::F64 => ValType::F64,
    };
    types.iter().map(core).collect()
}
